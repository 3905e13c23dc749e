"""Which values never reach the record: dotted paths, and what is told instead of the values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callgate.model import Json, Value

MASKED = "***"

_VALUES = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?')


class Masks(Value):
    """Paths such as `password`, `card.number`, `items.*.secret`."""

    paths: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(cls, texts: tuple[str, ...]) -> Masks:
        """Paths as dotted texts; `*` stands for any key or any item."""
        return cls(paths=tuple(tuple(text.split(".")) for text in texts))

    def apply(self, value: Json) -> Json:
        """A copy with every masked value replaced; the value itself where nothing is masked."""
        return self.applied(value)[0]

    def applied(self, value: Json) -> tuple[Json, tuple[str, ...]]:
        """The same, and the paths that replaced something: not what stood there."""
        hits = []
        for path in self.paths:
            masked = _masked(value, path)
            if masked is not value:
                hits.append(".".join(path))
            value = masked
        return value, tuple(hits)

    def texts(self, value: Json) -> Iterator[str]:
        """The texts and numbers that stand at masked paths, and within what stands there."""
        for path in self.paths:
            for found in _at(value, path):
                yield from _texts(found)

    def hide(self, read: str) -> bool:
        """Whether something read of the context, such as `context.input.card.number`, is masked.

        Facts derived of an argument are masked with it.
        """
        root, *path = read.split(".")
        if root != "context" or path[:1] not in (["input"], ["derived"]):
            return False
        return self.meet(path[1:])

    def meet(self, path: list[str]) -> bool:
        """Whether what stands at this path is masked, in part or as a part of something masked."""
        return any(
            all(want in ("*", step) for want, step in zip(masked, path, strict=False))
            for masked in self.paths
        )

    def plain(self, error: str) -> str:
        """Cedar's words on an error, without the values in them where anything is masked."""
        if not self.paths:
            return error
        head, separator, tail = error.partition("`: ")
        return head + separator + _VALUES.sub(MASKED, tail)


def _masked(value: Json, path: tuple[str, ...]) -> Json:
    if not path:
        return MASKED
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        keys = tuple(value) if head == "*" else (head,) if head in value else ()
        return _replaced(value, {key: _masked(value[key], rest) for key in keys})
    if isinstance(value, list):
        if head == "*":
            places = range(len(value))
        else:
            at = int(head) if head.isdecimal() and len(head) < 10 else len(value)
            places = range(at, min(at + 1, len(value)))
        return _replaced(value, {at: _masked(value[at], rest) for at in places})
    return value


def _at(value: Json, path: tuple[str, ...]) -> Iterator[Json]:
    if not path:
        yield value
    elif isinstance(value, dict):
        keys = value if path[0] == "*" else (path[0],)
        for key in keys:
            if key in value:
                yield from _at(value[key], path[1:])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if path[0] in ("*", str(index)):
                yield from _at(item, path[1:])


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _replaced(value: Json, masked: dict[Json, Json]) -> Json:
    """A copy with what is masked in it; the value itself where that is nothing."""
    found = {key: item for key, item in masked.items() if item is not value[key]}
    if not found:
        return value
    copy = value.copy()
    for key, item in found.items():
        copy[key] = item
    return copy
