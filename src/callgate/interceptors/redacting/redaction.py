"""Redacts one JSON value: finds, chooses what to do with each find, and does it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from callgate.interceptors.redacting.document import (
    Edits,
    Leaf,
    document,
    edited,
    leaves,
)
from callgate.interceptors.redacting.marks import Marks
from callgate.interceptors.redacting.nested import MOST_DEPTH, Opened, opened, opened_blob
from callgate.interceptors.redacting.paths import Path, Step
from callgate.interceptors.redacting.scanner import Scanner
from callgate.interceptors.redacting.screen import Screen
from callgate.interceptors.redacting.settings import FIELD, Mode, RedactSettings, RuleSettings
from callgate.interceptors.redacting.spans import Span, merged, without
from callgate.model import Json, Value
from callgate.protocol.jsonrpc import encode

MOST_ROUNDS = 5

# Fields without which MCP cannot read a block: where one is to be dropped, the block goes.
_NEEDED = frozenset({"text", "data", "blob"})
_BLOCKS = frozenset({"content", "contents", "messages"})

Way = tuple[Step, ...]


class Situation(Value):
    """Of which call a value is, and which way it goes."""

    tool: str = ""
    principal: str = ""
    is_toward_agent: bool = True


@dataclass(slots=True)
class Redacted:
    """A value after redaction, and what was found."""

    value: Json
    found: Counter[str] = field(default_factory=Counter)  # kind → how often, `leave` apart
    refused: Counter[str] = field(default_factory=Counter)


class _Rule:
    def __init__(self, settings: RuleSettings) -> None:
        self.mode: Mode = settings.mode
        self.kinds = settings.kinds
        self.tools = settings.tools
        self.is_of_fields = settings.is_of_fields
        self.paths = tuple(Path.parse(path) for path in settings.paths or ())

    def fits(self, kind: str, way: Way) -> bool:
        if self.kinds is not None and kind not in self.kinds:
            return False
        return not self.paths or any(path.covers(way) for path in self.paths)


class Redaction:
    """Redacts values by the settings. Keeps no state but the tokens in the vault of `marks`."""

    def __init__(self, settings: RedactSettings, scanner: Scanner, marks: Marks) -> None:
        self._scanner = scanner
        self._marks = marks
        self._mode = settings.mode
        self._rules = tuple(_Rule(rule) for rule in settings.rules)
        self._screen = Screen(settings.find)
        self._opens_all = scanner.has_own or any(rule.is_of_fields for rule in self._rules)

    def may_skip(self, body: bytes) -> bool:
        """Whether there is certainly nothing to do about the value of this JSON text."""
        return not self._opens_all and self._screen.may_skip(body)

    def of(self, value: Json, body: bytes, situation: Situation) -> Redacted:
        """A value redacted; `body` is what `encode` makes of it. Raises what an engine raises."""
        return _Run(self, situation).of(value, body)


class _Run:
    """The redaction of one value."""

    def __init__(self, redaction: Redaction, situation: Situation) -> None:
        self._may_skip = redaction.may_skip
        self._scanner = redaction._scanner
        self._marks = redaction._marks
        self._mode = redaction._mode
        self._situation = situation
        self._rules = [
            rule for rule in redaction._rules if rule.tools is None or situation.tool in rule.tools
        ]
        self._opens_all = redaction._opens_all
        self._result = Redacted(None)
        self._left: set[str] = set()  # what rules leave alone

    def of(self, value: Json, body: bytes) -> Redacted:
        value, is_changed = self._fields(value)
        if is_changed:
            body = encode(value)
        self._result.value = self._clean(value, (), 0, body)
        return self._result

    # Whole fields.

    def _fields(self, value: Json) -> tuple[Json, bool]:
        is_changed = False
        for rule in self._rules:
            if rule.is_of_fields:
                for path in rule.paths:
                    taken = self._taken(value, [path], rule.mode, ())
                    is_changed = is_changed or taken is not value
                    value = taken
        return value, is_changed

    def _taken(self, value: Json, paths: list[Path], mode: Mode, way: Way) -> Json:
        """The value with the fields at the paths replaced; itself where there are none."""
        if isinstance(value, str):
            inner = opened(value) if len(way) < 64 else None
            if inner is None:
                return value
            changed = self._taken(inner.value, paths, mode, way)
            return value if changed is inner.value else inner.close(changed)
        if not isinstance(value, dict | list):
            return value
        edits = Edits.none()
        for step, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            left = [rest for path in paths for rest in path.rest_after(step)]
            at = (*way, step)
            if any(path.is_over for path in left):
                self._take(item, mode, at, (step,), edits)
            elif left and (changed := self._taken(item, left, mode, at)) is not item:
                edits.values[(step,)] = changed
        return edited(value, edits) if edits else value

    def _take(self, item: Json, mode: Mode, way: Way, step: Way, edits: Edits) -> None:
        if mode == "leave" or self._marks.is_mark(item) or self._is_restoring(mode):
            return
        if mode == "refuse":
            self._result.refused[FIELD] += 1
        elif mode == "drop":
            self._result.found[FIELD] += 1
            edits.dropped.add(step)
        else:
            edits.values[step] = self._replaced(FIELD, item, mode)

    # What is found.

    def _clean(self, value: Json, way: Way, depth: int, body: bytes) -> Json:
        """A value in which nothing is left to be found: it is looked at until that is so."""
        for _ in range(MOST_ROUNDS):
            if self._may_skip(body):
                return value
            edits = self._edits(value, document(body), way, depth)
            if not edits:
                return value
            value = edited(value, edits)
            body = encode(value)
        raise ValueError(f"something is still found after {MOST_ROUNDS} rounds of redaction")

    def _edits(self, value: Json, text: str, way: Way, depth: int) -> Edits:
        edits = Edits.none()
        spans = self._unmarked(self._scanner.find(text), text)
        if not spans and not self._opens_all:
            return edits
        every = leaves(value, text, None if self._opens_all else spans)
        finds = _by_leaf(spans, every)
        for index, leaf in enumerate(every):
            local = finds.get(index, [])
            if self._scanner.has_own:
                own = self._unmarked(merged(self._scanner.own(leaf.text)), leaf.text)
                local = merged([*local, *own])
            if local or (self._opens_all and leaf.sort == "string"):
                self._edit(leaf, local, (way, depth), edits)
        return edits

    def _unmarked(self, spans: Sequence[Span], text: str) -> list[Span]:
        """Spans without what we put there ourselves."""
        marks = self._marks.places(text) if spans else []
        if not marks:
            return list(spans)
        rest = [part for span in spans for part in without(span, marks)]
        return [
            part
            for part in rest
            if part in spans or any(c.isalnum() for c in text[part.start : part.end])
        ]

    def _edit(self, leaf: Leaf, spans: list[Span], at: tuple[Way, int], edits: Edits) -> None:
        prefix, depth = at
        way = (*prefix, *leaf.way)
        inner = _inner(leaf) if depth < MOST_DEPTH else None
        if inner is not None:
            changed = self._clean(inner.value, way, depth + 1, encode(inner.value))
            if changed is not inner.value:
                edits.values[leaf.way] = inner.close(changed)
                return
            # What a rule left alone in there is left alone here too.
            spans = [s for s in spans if leaf.text[s.start : s.end] not in self._left]
        text = self._spliced(leaf, spans, way, edits) if spans else None
        if text is None or text == leaf.text:
            return
        if leaf.sort == "key":
            edits.keys[leaf.way] = text
        else:
            edits.values[leaf.way] = text

    def _spliced(self, leaf: Leaf, spans: list[Span], way: Way, edits: Edits) -> str | None:
        """The text of a leaf with its finds replaced; None where the field is dropped."""
        if leaf.sort == "number":  # there is no half of a number
            spans = [Span(0, len(leaf.text), spans[0].kind)]
        parts: list[str] = []
        reached = 0
        for span in spans:
            mode = self._mode_of(span.kind, way)
            found = leaf.text[span.start : span.end]
            if mode in ("leave", "refuse") or self._is_restoring(mode):
                self._left |= {found, _escaped(found)}
                if mode == "refuse":
                    self._result.refused[span.kind] += 1
                continue
            if mode == "drop" and leaf.way:
                self._result.found[span.kind] += 1
                edits.dropped.add(_dropped(leaf.way))
                return None
            given: Json = found if leaf.sort != "number" else _number(found)
            parts += (leaf.text[reached : span.start], self._replaced(span.kind, given, mode))
            reached = span.end
        return "".join((*parts, leaf.text[reached:]))

    def _replaced(self, kind: str, value: Json, mode: Mode) -> str:
        """What stands in place of a find."""
        self._result.found[kind] += 1
        if mode == "hash":
            return self._marks.digest(kind, value)
        if mode == "tokenise":
            return self._marks.token(kind, value, self._situation.principal)
        return self._marks.mask(kind)

    def _is_restoring(self, mode: Mode) -> bool:
        """Tokens are for the agent: what it sends of its own knowledge goes to the target."""
        return mode == "tokenise" and not self._situation.is_toward_agent

    def _mode_of(self, kind: str, way: Way) -> Mode:
        for rule in self._rules:
            if not rule.is_of_fields and rule.fits(kind, way):
                return rule.mode
        return self._mode


def _by_leaf(spans: Sequence[Span], every: Sequence[Leaf]) -> dict[int, list[Span]]:
    """Which spans fall into which leaf, in its own offsets; what is between leaves falls away."""
    starts = [leaf.start for leaf in every]
    finds: dict[int, list[Span]] = {}
    for span in spans:
        index = max(bisect_right(starts, span.start) - 1, 0)
        while index < len(every) and every[index].start < span.end:
            leaf = every[index]
            start, end = max(span.start, leaf.start), min(span.end, leaf.end)
            if start < end:
                local = Span(start - leaf.start, end - leaf.start, span.kind)
                finds.setdefault(index, []).append(local)
            index += 1
    return finds


def _inner(leaf: Leaf) -> Opened | None:
    """What a string holds: JSON, or as the blob of a resource, text."""
    if leaf.sort != "string":
        return None
    return opened_blob(leaf.text) if leaf.way and leaf.way[-1] == "blob" else opened(leaf.text)


def _dropped(way: Way) -> Way:
    """What goes with a field: itself, or the block of content that is nothing without it."""
    if way[0] in _BLOCKS and way[-1] in _NEEDED and 2 < len(way) <= 4:
        return way[:2]
    return way


def _escaped(text: str) -> str:
    return encode(text).decode()[1:-1]


def _number(text: str) -> Json:
    return float(text) if any(c in text for c in ".eE") else int(text)
