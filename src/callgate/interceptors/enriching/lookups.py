"""Facts of another system over HTTP: one GET a question, remembered for a while."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator

from callgate.closed_client import (
    Asker,
    TooLongError,
    UnusableError,
    check_place,
    closed_client,
)
from callgate.interceptors.enriching.subjects import Subject, read_subject, written
from callgate.interceptors.enriching.tables import FactName, Facts
from callgate.model import Json
from callgate.protocol.jsonrpc import Malformed, parse_json
from callgate.scrutiny import Request
from callgate.settings import Settings

MAX_VALUE = 512  # characters of one value in a URL
MAX_FLIGHTS = 1_000  # questions that are under way at once
NOT_KNOWN = frozenset({404, 410})
_PLACE = re.compile(r"\{([^{}]*)\}")


class UnansweredError(Exception):
    """There is no answer; the message says why."""


class LookupSettings(Settings):
    """One question to another system: GET, and JSON back."""

    url: str = Field(max_length=2_000)
    """Where to ask: https, or http on this machine. `{principal.id}`, `{claim:name}`,
    `{argument:$.path}` and `{header:name}` stand for values, percent-encoded; not in the host."""

    facts: dict[FactName, str] = Field(min_length=1)
    """Fact → where in the answer it stands, as a JSON pointer such as `/customer/tier`."""

    headers: dict[str, SecretStr] = {}
    """Headers of the question, such as `authorization`."""

    timeout_seconds: float = Field(default=2.0, gt=0, le=60)
    """How long one question may take, from the first byte out to the last byte in."""

    max_bytes: int = Field(default=65_536, ge=1, le=16_777_216)
    """How long an answer may be."""

    ttl_seconds: float = Field(default=60.0, ge=0, le=86_400)
    """How long an answer is remembered, also that something is not known (404, 410)."""

    failure_ttl_seconds: float = Field(default=5.0, ge=0, le=3_600)
    """How long a failure is remembered, before the other system is asked again."""

    max_entries: int = Field(default=10_000, ge=1, le=1_000_000)
    """How many answers are remembered; the least recently used one is forgotten."""

    @field_validator("url")
    @classmethod
    def _askable(cls, url: str) -> str:
        subjects(url)
        plain = _PLACE.sub("x", url)
        check_place(plain)
        parts = urlsplit(plain)
        origin = f"{parts.scheme}://{parts.netloc}"
        if not url.startswith(origin) or not url.isascii() or re.search(r"[\x00-\x20\\]", url):
            raise ValueError("must have a fixed host, be ASCII and without spaces")
        return url

    @field_validator("facts")
    @classmethod
    def _pointers(cls, facts: dict[str, str]) -> dict[str, str]:
        for fact, pointer in facts.items():
            if pointer and not pointer.startswith("/"):
                raise ValueError(f"{fact}: a JSON pointer starts with `/`, such as `/{pointer}`")
        return facts


class _Entry(NamedTuple):
    facts: Facts
    failure: str
    until: float  # ticks


class Lookup:
    """Asks one system. State: answers, within the bounds of the settings, in this process only."""

    def __init__(self, settings: LookupSettings, ticks: Callable[[], float]) -> None:
        self._settings = settings
        self._ticks = ticks
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the least recently used first
        self._flights: dict[str, asyncio.Task[_Entry]] = {}
        self._asker = Asker(
            lambda: closed_client(settings.url, settings.timeout_seconds), settings.max_bytes
        )
        self._subjects = subjects(settings.url)

    def __len__(self) -> int:
        return len(self._entries)

    async def facts(self, request: Request) -> Facts:
        """The facts about this request; none where a value of the question is absent.

        Who comes while the same is being asked waits for that answer. Raises UnansweredError.
        """
        url = self._filled(request)
        if url is None:
            return {}
        entry = self._entries.get(url)
        if entry is None or entry.until <= self._ticks():
            entry = await asyncio.shield(self._flight(url))
        else:
            self._entries.move_to_end(url)
        if entry.failure:
            raise UnansweredError(entry.failure)
        return entry.facts

    def _filled(self, request: Request) -> str | None:
        values: list[str] = []
        for subject in self._subjects:
            found = [text for text in map(written, subject.values(request)) if text is not None]
            if not found:
                return None
            if len(found) > 1 or len(found[0]) > MAX_VALUE or found[0] in (".", ".."):
                raise UnansweredError(
                    f"{subject.text} cannot stand in a URL: several, long, or dots"
                )
            values.append(quote(found[0], safe=""))
        left = iter(values)
        return _PLACE.sub(lambda _: next(left), self._settings.url)

    def _flight(self, url: str) -> asyncio.Task[_Entry]:
        flight = self._flights.get(url)
        if flight is None:
            if len(self._flights) >= MAX_FLIGHTS:
                raise UnansweredError("too many questions are under way")
            flight = asyncio.get_running_loop().create_task(self._ask(url))
            self._flights[url] = flight
            flight.add_done_callback(lambda _: self._flights.pop(url, None))
        return flight

    async def _ask(self, url: str) -> _Entry:
        settings = self._settings
        try:
            facts, failure, seconds = await self._answer(url), "", settings.ttl_seconds
        except UnansweredError as error:
            facts, failure, seconds = {}, str(error), settings.failure_ttl_seconds
        entry = _Entry(facts, failure, self._ticks() + seconds)
        self._entries[url] = entry
        self._entries.move_to_end(url)
        if len(self._entries) > settings.max_entries:
            self._entries.popitem(last=False)
        return entry

    async def _answer(self, url: str) -> Facts:
        host = urlsplit(url).netloc
        own = {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        headers = {"accept": "application/json", **own}
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                answer = await self._asker.ask("GET", url, headers)
        except TimeoutError:
            raise UnansweredError(f"{host} did not answer in time") from None
        except TooLongError as error:
            raise UnansweredError(str(error)) from None
        except UnusableError as error:
            raise UnansweredError(f"{host} cannot be asked: {error.kind}") from None
        if answer.status in NOT_KNOWN:
            return {}
        if answer.status != 200:
            raise UnansweredError(f"{host} answered with status {answer.status}")
        try:
            said = parse_json(answer.body)
        except Malformed:
            raise UnansweredError(f"{host} answered with what is no JSON") from None
        found = {fact: pointed(said, pointer) for fact, pointer in self._settings.facts.items()}
        return {fact: value for fact, value in found.items() if value is not None}

    async def close(self) -> None:
        """Ends the questions under way and the connections."""
        flights = tuple(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)
        await self._asker.close()


def subjects(url: str) -> list[Subject]:
    """The values that a URL has places for. Raises ValueError."""
    return [read_subject(text) for text in _PLACE.findall(url)]


def pointed(value: Any, pointer: str) -> Json:
    """What a JSON pointer (RFC 6901) leads to; None where that is nothing."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
