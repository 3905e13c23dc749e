"""The texts of a JSON value, by the fields that hold them; JSON inside of texts is read too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from callgate.model import Json

MAX_INNER_BYTES = 1 << 20  # a longer text is not read as JSON
MAX_INNER_DEPTH = 3
MAX_NAMES = 64  # keys beside the declared ones that are fields of their own
KEYS = "{}"  # the field of what an object's own keys say

Leaf = tuple[str, str]  # field, text


def leaves(value: Json, known: frozenset[str] = frozenset()) -> Iterator[Leaf]:
    """Each text and number, under its field: `/to`, `/items/[]/name`, `/map/{}` for its keys.

    Items of one list are one field, so that what is split over them is seen together. Keys in
    `known` say nothing: the schema of the tool has them.
    """
    return _Reading(known).leaves(value, "", 0)


class _Reading:
    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self._names = set(known)

    def leaves(self, value: Json, field: str, depth: int) -> Iterator[Leaf]:
        if isinstance(value, str):
            inner = _inner(value) if depth < MAX_INNER_DEPTH else None
            if inner is None:
                yield field, value
            else:
                yield from self.leaves(inner, field, depth + 1)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                if key not in self._known:
                    yield f"{field}/{KEYS}", key
                yield from self.leaves(item, f"{field}/{self._name(key)}", depth)
        elif isinstance(value, list):
            if len(value) > 5 and all(type(item) is int for item in value):
                yield field, " ".join(map(str, value))  # codes of characters are read together
                return
            for item in value:
                yield from self.leaves(item, f"{field}/[]", depth)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield field, str(value)

    def _name(self, key: str) -> str:
        """The key, if it is one of few; a value may have keys without end."""
        if key not in self._names:
            if len(self._names) >= len(self._known) + MAX_NAMES:
                return "*"
            self._names.add(key)
        return key


def _inner(text: str) -> Json:
    """The object or list that a text is the JSON of."""
    if text[:1] not in ("{", "[") or len(text) > MAX_INNER_BYTES:
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def declared_keys(schema: Any) -> frozenset[str]:
    """The names of all properties in a JSON Schema, at any depth."""
    found: set[str] = set()
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            properties = node.get("properties")
            if isinstance(properties, dict):
                found.update(properties)
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
    return frozenset(found)
