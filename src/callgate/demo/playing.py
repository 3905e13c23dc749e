"""Plays the demo's story with a real MCP client, and checks each call against the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation

from callgate.demo.story import Part, Step
from callgate.model import Json, Value, qualify
from callgate.ports import CallFilter
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from callgate.version import VERSION

CALL_SECONDS = 20.0
RECORD_SECONDS = 5.0  # an outcome is durable with the next group commit, milliseconds later
LOOK_EVERY_SECONDS = 0.02


class StoryError(Exception):
    """The story cannot go on; the message says why."""


class Played(Value):
    """One call as it came out. `call` is the record of it, as `audit.explain.whole` has it."""

    step: Step
    call: dict[str, Json]
    problems: tuple[str, ...]  # where it did not come out as told


class Listed(Value):
    """The tools that one principal was shown."""

    tools: tuple[str, ...]
    problems: tuple[str, ...]


class Player:
    """Plays parts of the story, one after the other, against one gateway."""

    def __init__(self, url: str, record: Path) -> None:
        self._url = url
        self._records = Records(StoreSettings(path=record))
        self._seen: set[str] = set()

    @asynccontextmanager
    async def connected(self, key: str, agent: str) -> AsyncIterator[Client]:
        """A client that presents this API key."""
        headers = {"X-API-Key": key}
        info = Implementation(name=agent, version=VERSION)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=CALL_SECONDS) as http,
            Client(
                streamable_http_client(self._url, http_client=http),
                client_info=info,
                read_timeout_seconds=CALL_SECONDS,
            ) as client,
        ):
            yield client

    async def list_tools(self, client: Client, part: Part) -> Listed:
        """What the principal of this part is shown. Raises MCPError."""
        listing = await client.list_tools()
        tools = tuple(sorted(tool.name for tool in listing.tools))
        problems = []
        if tools != tuple(sorted(part.tools)):
            problems.append(f"{part.principal} was shown {', '.join(tools) or 'no tools'}")
        return Listed(tools=tools, problems=tuple(problems))

    async def play(self, client: Client, part: Part, step: Step) -> Played:
        """Makes one call, then reads back what the record says of it. Raises StoryError."""
        try:
            result = await client.call_tool(step.tool, step.arguments)
            answer = result.model_dump_json()
            is_error = result.is_error
        except MCPError as error:
            answer, is_error = error.message, True
        call = await self._recorded(part.principal)
        problems = differences(step, call, answer, is_error=is_error)
        return Played(step=step, call=call, problems=problems)

    async def _recorded(self, principal: str) -> dict[str, Json]:
        """The newest call of a principal, once its outcome is on record."""
        newest = CallFilter(principal=principal, limit=1)
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                while True:
                    for call in (await asyncio.to_thread(self._records.calls, newest)).calls:
                        if call["call"] not in self._seen and call["code"] is not None:
                            self._seen.add(call["call"])
                            return call
                    await asyncio.sleep(LOOK_EVERY_SECONDS)
        except TimeoutError:
            raise StoryError(f"a call of {principal} did not appear in the record") from None

    async def begin(self) -> None:
        """Leaves out what earlier runs recorded in the same directory."""
        known = await asyncio.to_thread(self._records.calls, CallFilter(limit=10_000))
        self._seen.update(call["call"] for call in known.calls)


def differences(
    step: Step, call: dict[str, Json], answer: str, *, is_error: bool
) -> tuple[str, ...]:
    """Where the record of a call, or what the agent was answered, is not as the story tells it."""
    return (*_against_record(step, call), *_against_answer(step, answer, is_error=is_error))


def _against_record(step: Step, call: dict[str, Json]) -> Iterator[str]:
    name = qualify(call["target"], call["tool"]) if call.get("tool") else call["name"]
    if name != step.tool:
        yield f"the record is about {name}"
    if call["code"] != step.code:
        yield f"its code is {call['code']}, not {step.code}"
    policies = tuple((call.get("decision") or {}).get("policies") or ())
    if policies != step.policies:
        yield f"the determining policies are {', '.join(policies) or 'none'}"
    changed_by = tuple(change["interceptor"] for change in call.get("changes") or ())
    if changed_by != step.changed_by:
        yield f"it was changed by {', '.join(changed_by) or 'nobody'}"
    ran = "yes" if step.code == "ok" else "no"
    if call["ran"] != ran:
        yield f"whether the tool ran: {call['ran']}"


def _against_answer(step: Step, answer: str, *, is_error: bool) -> Iterator[str]:
    if is_error != (step.code != "ok"):
        yield "the agent was told an error" if is_error else "the agent was told of no error"
    if step.told not in answer:
        yield f"the agent was not told {step.told!r}"
    if step.not_told and step.not_told in answer:
        yield f"the agent was told {step.not_told!r}"
