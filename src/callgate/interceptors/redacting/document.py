"""A JSON value as one text to search, and the way back from places in it to keys and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from callgate.interceptors.redacting.paths import Step
from callgate.model import Json
from callgate.protocol.jsonrpc import encode

_CONTROL = re.compile(rb"\\u00([0-9a-fA-F]{2})")
_SIMPLE = (
    (b"\\n", b"\n"),
    (b'\\"', b'"'),
    (b"\\t", b"\t"),
    (b"\\r", b"\r"),
    (b"\\b", b"\b"),
    (b"\\f", b"\f"),
)


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
    if b"\\" not in body:
        return body.decode()
    has_backslash = b"\\\\" in body
    if has_backslash:
        body = body.replace(b"\\\\", b"\0")  # encode writes no NUL of its own
    for escape, character in _SIMPLE:
        if b"\\" not in body:
            break  # told by one byte, which is far quicker than looking for two
        body = body.replace(escape, character)
    if b"\\u00" in body:
        body = _CONTROL.sub(lambda match: bytes((int(match.group(1), 16),)), body)
    return (body.replace(b"\0", b"\\") if has_backslash else body).decode()


def leaves(value: Json, text: str) -> list[Leaf]:
    """Every leaf of a value in the order of its document. Raises ValueError where they differ."""
    made: list[Leaf] = []
    end = _walk(value, (), 0, made)
    # INVARIANT: places found in the document are cut out of the leaves by these offsets.
    if end != len(text) or any(not text.startswith(leaf.text, leaf.start) for leaf in made[-1:]):
        raise ValueError("the document does not fit its value")
    return made


def _walk(value: Json, way: tuple[Step, ...], at: int, made: list[Leaf]) -> int:
    """Adds the leaves of what stands at `at`; returns where it ends."""
    if isinstance(value, str):
        made.append(Leaf(at + 1, value, way, "string"))
        return at + len(value) + 2
    if isinstance(value, dict):
        at += 1
        for key, item in value.items():
            made.append(Leaf(at + 1, key, (*way, key), "key"))
            at = _walk(item, (*way, key), at + len(key) + 3, made) + 1
        return at if value else at + 1
    if isinstance(value, list):
        at += 1
        for index, item in enumerate(value):
            at = _walk(item, (*way, index), at, made) + 1
        return at if value else at + 1
    text = encode(value).decode()
    if not isinstance(value, bool) and value is not None:
        made.append(Leaf(at, text, way, "number"))
    return at + len(text)


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


def edited(value: Json, edits: Edits, way: tuple[Step, ...] = ()) -> Json:
    """A new value with the edits; what does not change is shared with the old one."""
    if way in edits.values:
        return edits.values[way]
    if isinstance(value, dict):
        return dict(_members(value, edits, way))
    if isinstance(value, list):
        ways = ((*way, index) for index in range(len(value)))
        pairs = zip(value, ways, strict=True)
        return [edited(item, edits, at) for item, at in pairs if at not in edits.dropped]
    return value


def _members(
    value: dict[str, Json], edits: Edits, way: tuple[Step, ...]
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
        yield key if name is None else name, edited(item, edits, at)


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number where another key has it: no member is lost."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
