"""Fields of arguments and results by JSON path: the texts there, and putting others there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, StringConstraints

from callgate.model import Json, Value

MAX_TEXTS = 10_000  # of all fields of one interceptor in one value
MAX_STEPS = 32
MAX_DEEP_STEPS = 2  # each of them may find one node once per level above it

Key = str | int
Place = tuple[Key, ...]
"""Where in a value: keys of objects and indices of lists, from the root."""

_STEP = re.compile(
    r"\.\.(?P<deep>[^\W\d]\w*(?:-\w+)*|\*)"  # ..name, ..*
    r"|\.(?P<name>[^\W\d]\w*(?:-\w+)*|\*)"  # .name, .*
    r"|\[(?P<index>0|[1-9][0-9]{0,8})\]"
    r"|\[(?P<star>\*)\]"
    r"|\['(?P<single>(?:[^'\\\x00-\x1f]|\\['\\])+)'\]"
    r'|\["(?P<double>(?:[^"\\\x00-\x1f]|\\["\\])+)"\]'
)
_PLAIN = re.compile(r"[^\W\d]\w*")


class FieldError(ValueError):
    """A path that cannot be read; the message says where and what is understood."""


class TooManyFieldsError(Exception):
    """A value holds more texts under the named fields than are looked at."""


class _Step(Value):
    key: Key | None  # None: everything in an object or a list
    is_deep: bool = False  # at any depth below


class FieldPath(Value):
    """A JSON path (RFC 9535) without filters, slices and unions."""

    text: str
    steps: tuple[_Step, ...]

    def find(self, value: Json) -> Iterator[tuple[Place, Json]]:
        """Every node that the path leads to, in order; one may come twice after `..`."""
        return _find(value, self.steps, ())


def read_path(text: str) -> FieldPath:
    """The path in a text such as `$.query`, `$.files[*].path`, `$..url`. Raises FieldError."""
    if not text.startswith("$"):
        raise FieldError(f"{text!r}: a path starts with `$`, such as `$.query`")
    steps: list[_Step] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or len(steps) == MAX_STEPS:
            raise FieldError(
                f"{text!r} cannot be read from {text[at:][:20]!r} on; "
                "a step is one of .name ['a name'] [0] [*] .* ..name ..*"
            )
        steps.append(_step(found))
        at = found.end()
    if sum(step.is_deep for step in steps) > MAX_DEEP_STEPS:
        raise FieldError(f"{text!r} has more than {MAX_DEEP_STEPS} steps `..`")
    return FieldPath(text=text, steps=tuple(steps))


def _step(found: re.Match[str]) -> _Step:
    kind, said = next((kind, said) for kind, said in found.groupdict().items() if said is not None)
    if kind == "index":
        return _Step(key=int(said))
    if kind in ("single", "double"):
        return _Step(key=re.sub(r"\\(.)", r"\1", said))
    return _Step(key=None if said == "*" else said, is_deep=kind == "deep")


def _find(value: Json, steps: tuple[_Step, ...], place: Place) -> Iterator[tuple[Place, Json]]:
    if not steps:
        yield place, value
        return
    step, rest = steps[0], steps[1:]
    for key, item in _chosen(value, step.key):
        yield from _find(item, rest, (*place, key))
    if step.is_deep:
        for key, item in _inside(value):
            yield from _find(item, steps, (*place, key))


def _chosen(value: Json, key: Key | None) -> Iterator[tuple[Key, Json]]:
    if key is None:
        yield from _inside(value)
    elif isinstance(value, dict) and isinstance(key, str):
        if key in value:
            yield key, value[key]
    elif isinstance(value, list) and isinstance(key, int) and key < len(value):
        yield key, value[key]


def _inside(value: Json) -> Iterator[tuple[Key, Json]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def texts(paths: tuple[FieldPath, ...], value: Json) -> dict[Place, str]:
    """Every text at the fields or under them, by place. Raises TooManyFieldsError.

    What stands in lists and objects under a field counts as the field, so that a list instead of
    a text evades nothing; numbers and truth values count as the text that they are written as;
    null is as good as absent.
    """
    found: dict[Place, str] = {}
    for path in paths:
        for place, node in path.find(value):
            for inner, text in _texts_under(node, place):
                found[inner] = text
                if len(found) > MAX_TEXTS:
                    raise TooManyFieldsError(f"holds more than {MAX_TEXTS} texts to look at")
    return found


def _texts_under(value: Json, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, bool | int | float):
        yield place, msgspec.json.encode(value).decode()
    else:
        for key, item in _inside(value):
            yield from _texts_under(item, (*place, key))


def replaced(value: Json, changes: Mapping[Place, Json]) -> Json:
    """A copy of the value with other values at some places; what is not on the way is shared."""
    if () in changes:
        return changes[()]
    inside: dict[Key, dict[Place, Json]] = {}
    for place, new in changes.items():
        inside.setdefault(place[0], {})[place[1:]] = new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    for key, deeper in inside.items():
        copy[key] = replaced(value[key], deeper)
    return copy


def shown(place: Place) -> str:
    """A place as a JSON path, its keys cut short: for sentences."""
    steps = (
        f"[{key}]"
        if isinstance(key, int)
        else f".{key[:40]}"
        if _PLAIN.fullmatch(key)
        else f"[{key[:40]!r}]"
        for key in place
    )
    path = "$" + "".join(steps)
    return path if len(path) <= 120 else path[:119] + "…"


def _checked(text: str) -> str:
    read_path(text)
    return text


Field = Annotated[str, StringConstraints(max_length=500), AfterValidator(_checked)]
"""A path in callgate.yaml."""
