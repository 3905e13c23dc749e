"""The built-in that screens results for instructions: it labels, and cleans or keeps back."""

from __future__ import annotations

import binascii
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import re2
from pydantic import Field as Setting
from pydantic import field_validator

from callgate.audit.unveiling import views
from callgate.interceptors.python_hook import load_hook
from callgate.interceptors.redacting.nested import opened_blob
from callgate.interceptors.screening.cleaning import cleaned
from callgate.interceptors.screening.markup import hidden
from callgate.interceptors.screening.phrases import PHRASES, Phrases
from callgate.interceptors.screening.signs import signs
from callgate.model import Json
from callgate.pipeline.threads import Job, Threads
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Decision, Interceptor, Message, Passive, Request, Result
from callgate.settings import Settings

MAX_THREADS = 4  # busy at once; more wait
MAX_IN_PLACE = 4_000  # characters that are screened on the event loop; more of them in a thread
PIECE = 65_536  # characters that are screened at a time
OVERLAP = 1_000
BEYOND_SIGHT = 0.9  # weighs a phrase that only a machine reads
LEAST = 0.5  # the weight of a phrase that counts there
MAX_NAMED = 8
PICTURES = frozenset({"image", "audio"})  # blocks whose `data` nobody reads as text

Classify = Callable[[list[str]], Awaitable[object]]


class InjectionSettings(Settings):
    """What is done about texts that give orders, or hide something."""

    label: str = Setting(default="suspicious", min_length=1, max_length=64)
    """The label of calls whose result, message or question looks like an instruction."""

    label_at: float = Setting(default=0.5, ge=0, le=1)
    """From which score on: 0 labels everything, 1 what is certain."""

    withhold_at: float | None = Setting(default=None, ge=0, le=1)
    """From which score on a result is kept back, and a message dropped; null: never."""

    neutralise: bool = False
    """Remove what readers do not see, from every text: invisible characters, terminal codes, HTML
    comments, hidden elements. With `allow_domains`, images and links to others are spelt out."""

    allow_domains: frozenset[str] | None = None
    """Where images and links may lead, these domains and those below; null: anywhere."""

    patterns: dict[str, str] = {}
    """Own phrases: name → RE2 regular expression, for the text in lower case with single spaces."""

    ignore: frozenset[str] = frozenset()
    """Findings that count for nothing, by their names in the record: `persona`, `comment`."""

    classifier: str | None = Setting(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """A function, `module:function`, that is given a list of texts and returns one score from 0 to
    1, or one for each. The higher of its score and ours counts."""

    classifier_characters: int = Setting(default=2_000, ge=100, le=100_000)
    """How long the texts for the classifier are at most; longer ones are cut into several."""

    classifier_texts: int = Setting(default=64, ge=1, le=10_000)
    """How many texts it is given at most, the first ones."""

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            if name in PHRASES or ":" in name:
                raise ValueError(f"{name}: choose another name; that one is taken")
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise ValueError(f"{name}: not an RE2 expression: {error}") from None
        return patterns

    @field_validator("allow_domains")
    @classmethod
    def _lower(cls, domains: frozenset[str] | None) -> frozenset[str] | None:
        return domains and frozenset(one.lower().strip(".") for one in domains)


class Screened(NamedTuple):
    """What was found in a value, and the value as it goes on."""

    findings: dict[str, float]
    value: Any


class Injection(Passive):
    """Looks at every text that comes back. Keeps no state. Never the only defence."""

    def __init__(self, settings: InjectionSettings, directory: Path) -> None:
        self._settings = settings
        self._phrases = Phrases(settings.patterns)
        self._classify: Classify | None = None
        self._hook: Interceptor | None = None
        self._threads = Threads(MAX_THREADS, "callgate-injection")
        if settings.classifier is not None:
            # A hook's function is given whatever it is asked with; a plain one runs in a thread.
            self._hook = load_hook(settings.classifier, directory)
            self._classify = cast(Classify, self._hook.on_request)

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor. Only what a target asks of the agent's client is looked at."""
        if not METHODS[request.tool.method].is_asked_by_target:
            return None
        found = await self._look(request.arguments)
        if found is None:
            return None
        screened, note, is_withheld = found
        if is_withheld:
            return Decision(refuse=_sentence("question", screened), note=note)
        return Decision(arguments=screened.value, labels=self._labels(screened), note=note)

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor. What the agent's client answers is no result of a target."""
        if METHODS[result.tool.method].is_asked_by_target:
            return None
        found = await self._look(result.result)
        if found is None:
            return None
        screened, note, is_withheld = found
        if is_withheld:
            return Decision(withhold=_sentence("result", screened), note=note)
        return Decision(result=screened.value, labels=self._labels(screened), note=note)

    async def on_message(self, message: Message) -> Decision | None:
        """See scrutiny.Interceptor."""
        found = await self._look(message.params)
        if found is None:
            return None
        screened, note, is_withheld = found
        if is_withheld:
            return Decision(withhold=_sentence("message", screened), note=note)
        return Decision(params=screened.value, labels=self._labels(screened), note=note)

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        self._threads.close()
        if self._hook is not None:
            await self._hook.close()

    async def _look(self, value: dict[str, Json]) -> tuple[Screened, str, bool] | None:
        """What was found, a note of it, and whether that is too much; None where nothing is."""
        texts = list(_texts(value))
        is_small = sum(map(len, texts)) <= MAX_IN_PLACE and len(texts) <= 200
        screened = (
            self._screen(value, texts)
            if is_small
            else await self._threads.run(Job(lambda: self._screen(value, texts)))
        )
        if self._classify is not None:
            scores = await self._classify(self._pieces(texts))
            screened.findings["classifier"] = _highest(scores)
        score = scored(screened.findings)
        is_changed = screened.value is not value
        if score < self._settings.label_at and not is_changed:
            return None
        most = self._settings.withhold_at
        note = f"{score:.2f}: {_named(screened.findings)}" if screened.findings else "cleaned"
        return screened, note, most is not None and score >= most

    def _labels(self, screened: Screened) -> tuple[str, ...]:
        is_one = scored(screened.findings) >= self._settings.label_at
        return (self._settings.label,) if is_one else ()

    def findings(self, texts: Iterable[str]) -> dict[str, float]:
        """What looks like an instruction in the texts, and how much each weighs, from 0 to 1."""
        found: dict[str, float] = {}
        for text in texts:
            for name, weight in self._find(text):
                if name not in self._settings.ignore:
                    found[name] = max(weight, found.get(name, 0.0))
        return found

    def _screen(self, value: dict[str, Json], texts: Iterable[str]) -> Screened:
        findings = self.findings(texts)
        if self._settings.neutralise:
            return Screened(findings, _mapped(value, self._clean))
        return Screened(findings, value)

    def _clean(self, text: str) -> str:
        return cleaned(text, self._settings.allow_domains)

    def _find(self, text: str) -> Iterator[tuple[str, float]]:
        for start in range(0, max(len(text), 1), PIECE):
            piece = text[max(start - OVERLAP, 0) : start + PIECE]
            yield from signs(piece).items()
            plain = self._phrases.find(piece)
            yield from plain.items()
            for view in views(piece):
                if view.text and self._orders(view.text, plain):
                    yield f"encoded:{view.way}", BEYOND_SIGHT
        for part in hidden(text):
            if self._orders(part.text, {}):
                yield f"{part.what}:order", BEYOND_SIGHT
            elif part.what == "hidden element" and len(part.text) > 20:
                yield part.what, 0.2

    def _orders(self, text: str, besides: Mapping[str, float]) -> bool:
        """Whether a text gives an order that does not stand in plain sight anyway."""
        found = self._phrases.find(text)
        return any(weight >= LEAST and name not in besides for name, weight in found.items())

    def _pieces(self, texts: Iterable[str]) -> list[str]:
        size, most = self._settings.classifier_characters, self._settings.classifier_texts
        made: list[str] = []
        for text in texts:
            for start in range(0, len(text), size):
                if len(made) == most:
                    return made
                made.append(text[start : start + size])
        return made


def scored(findings: Mapping[str, float]) -> float:
    """One score of all findings: each alone may be chance, several are less so.

    Findings of one kind, such as a phrase in several languages, count once.
    """
    kinds: dict[str, float] = {}
    for name, weight in findings.items():
        kind = name.partition(":")[0]
        kinds[kind] = max(weight, kinds.get(kind, 0.0))
    doubt = 1.0
    for weight in kinds.values():
        doubt *= 1.0 - weight
    return 1.0 - doubt


def _highest(scores: object) -> float:
    """The classifier's score. Raises TypeError and ValueError where it gave none."""
    several = scores if isinstance(scores, (list, tuple)) else [scores]
    for score in several:
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise TypeError(f"the classifier returned {type(score).__name__}, not a score")
        if not 0 <= score <= 1:
            raise ValueError(f"the classifier returned {score}, not a score from 0 to 1")
    return max(map(float, several), default=0.0)


def _texts(value: Json, key: str = "", *, is_picture: bool = False) -> Iterator[str]:
    """Every text and key of a value, but for the data of pictures and files that are no text."""
    if isinstance(value, str):
        text = value if key not in ("data", "blob") else _read(value, is_picture)
        if text:
            yield text
    elif isinstance(value, dict):
        is_one = value.get("type") in PICTURES
        for name, item in value.items():
            if len(name) > MAX_NAMED:
                yield name
            yield from _texts(item, name, is_picture=is_one)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _read(value: str, is_picture: bool) -> str:
    """What a member named as binary data is read as: text, the text that it encodes, or nothing."""
    inner = opened_blob(value)
    if inner is not None and not is_picture:
        return str(inner.value)
    return "" if inner is not None or _is_base64(value) else value


def _is_base64(value: str) -> bool:
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        return False
    return True


def _mapped(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """The value with every text changed; itself where none changes."""
    if isinstance(value, str):
        if key not in ("data", "blob") or not _is_base64(value):
            return _same_or(change(value), value)
        inner = opened_blob(value) if key == "blob" else None
        if inner is None:
            return value
        text = change(str(inner.value))
        return value if text == inner.value else inner.close(text)
    if isinstance(value, dict):
        items = {name: _mapped(item, change, name) for name, item in value.items()}
        return items if any(items[name] is not value[name] for name in items) else value
    if isinstance(value, list):
        changed = [_mapped(item, change) for item in value]
        is_same = all(new is old for new, old in zip(changed, value, strict=True))
        return value if is_same else changed
    return value


def _same_or(new: str, old: str) -> str:
    return old if new == old else new


def _named(findings: Mapping[str, float]) -> str:
    heavy = sorted(findings, key=lambda name: (-findings[name], name))
    return ", ".join(heavy[:MAX_NAMED])


def _sentence(what: str, screened: Screened) -> str:
    return (
        f"The {what} of this tool looks like an attempt to give you instructions "
        f"({_named(screened.findings)}), so it is withheld."
    )
