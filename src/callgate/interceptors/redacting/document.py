"""A JSON value as one text to search, and the way back from places in it to keys and values."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from callgate.interceptors.redacting.paths import Step
from callgate.interceptors.redacting.spans import Span
from callgate.model import Json
from callgate.protocol.jsonrpc import encode

_BY_NUMBER = re.compile(rb"(\\\\)|\\u00([01][0-9a-fA-F])")


class Leaf(NamedTuple):
    """A key, a string or a number of a JSON value, and where its text stands in the document."""

    start: int
    text: str
    way: tuple[Step, ...]  # of a key: the way to its member
    sort: str  # key | string | number

    @property
    def end(self) -> int:
        """Where its text ends."""
        return self.start + len(self.text)


def document(body: bytes) -> str:
    """The compact JSON text that `encode` makes, with the characters that escapes stand for.

    Not JSON any more: it is searched, and `leaves` says what stands where.
    """
    return unescaped(body).decode()


def unescaped(body: bytes) -> bytes:
    """The same in bytes."""
    if b"\\" not in body:
        return body
    if has_unusual_escapes(body):
        body = _BY_NUMBER.sub(lambda match: match.group(1) or b"\\x" + match.group(2), body)
    # What is left are escapes that Python's literals of bytes have too. pickle decodes them so.
    plain: Any = codecs.escape_decode(body)[0]
    return bytes(plain)


def has_unusual_escapes(body: bytes) -> bool:
    """Whether a JSON text may write characters in another way than `encode` does."""
    return b"\\u" in body or b"\\/" in body


def leaves(value: Json, text: str, spans: Sequence[Span] | None = None) -> list[Leaf]:
    """The leaves of a value in the order of its document: all, or those that the spans touch.

    Raises ValueError where the document is of another value.
    """
    walk = _Walk(spans)
    end = walk.over(value, (), 0)
    # INVARIANT: places found in the document are cut out of the leaves by these offsets.
    if end != len(text) or any(not text.startswith(leaf.text, leaf.start) for leaf in walk.made):
        raise ValueError("the document does not fit its value")
    return walk.made


class _Walk:
    """Goes over a value as `encode` wrote it."""

    def __init__(self, spans: Sequence[Span] | None) -> None:
        self._spans = spans
        self._next = 0  # the first span that does not end before here
        self.made: list[Leaf] = []

    def over(self, value: Json, way: tuple[Step, ...], at: int) -> int:
        """Takes what stands at `at`; returns where it ends."""
        if isinstance(value, str):
            if self._wants(at + 1, at + 1 + len(value)):
                self.made.append(Leaf(at + 1, value, way, "string"))
            return at + len(value) + 2
        if isinstance(value, dict):
            at += 1
            for key, item in value.items():
                if self._wants(at + 1, at + 1 + len(key)):
                    self.made.append(Leaf(at + 1, key, (*way, key), "key"))
                at = self._item(item, way, key, at + len(key) + 3) + 1
            return at if value else at + 1
        if isinstance(value, list):
            at += 1
            for index, item in enumerate(value):
                at = self._item(item, way, index, at) + 1
            return at if value else at + 1
        text = encode(value).decode()
        if self._wants(at, at + len(text)) and not (value is None or isinstance(value, bool)):
            self.made.append(Leaf(at, text, way, "number"))
        return at + len(text)

    def _item(self, item: Json, way: tuple[Step, ...], step: Step, at: int) -> int:
        # Most strings are not wanted: their way is not even made.
        if isinstance(item, str) and not self._wants(at + 1, at + 1 + len(item)):
            return at + len(item) + 2
        return self.over(item, (*way, step), at)

    def _wants(self, start: int, end: int) -> bool:
        spans = self._spans
        if spans is None:
            return True
        while self._next < len(spans) and spans[self._next].end <= start:
            self._next += 1
        return self._next < len(spans) and spans[self._next].start < end


class Edits(NamedTuple):
    """What becomes of a value, by the ways to its parts."""

    values: dict[tuple[Step, ...], Json]
    keys: dict[tuple[Step, ...], str]
    dropped: set[tuple[Step, ...]]

    @classmethod
    def none(cls) -> Edits:
        """No change yet."""
        return cls({}, {}, set())

    def __bool__(self) -> bool:
        return bool(self.values or self.keys or self.dropped)


def edited(value: Json, edits: Edits) -> Json:
    """A new value with the edits; what does not change is shared with the old one."""
    every = (*edits.values, *edits.keys, *edits.dropped)
    touched = {way[:length] for way in every for length in range(len(way) + 1)}
    return _edited(value, edits, (), touched)


Ways = set[tuple[Step, ...]]


def _edited(value: Json, edits: Edits, way: tuple[Step, ...], touched: Ways) -> Json:
    if way in edits.values:
        return edits.values[way]
    if way not in touched:
        return value
    if isinstance(value, dict):
        return dict(_members(value, edits, way, touched))
    if isinstance(value, list):
        ways = ((*way, index) for index in range(len(value)))
        pairs = zip(value, ways, strict=True)
        return [_edited(item, edits, at, touched) for item, at in pairs if at not in edits.dropped]
    return value


def _members(
    value: dict[str, Json], edits: Edits, way: tuple[Step, ...], touched: Ways
) -> Iterator[tuple[str, Json]]:
    taken: set[str] = {key for key in value if (*way, key) not in edits.keys}
    for key, item in value.items():
        at = (*way, key)
        if at in edits.dropped:
            continue
        name = edits.keys.get(at)
        if name is not None:
            name = _free(name, taken)
            taken.add(name)
        yield key if name is None else name, _edited(item, edits, at, touched)


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number where another key has it: no member is lost."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
