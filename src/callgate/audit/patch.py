"""What differs between two JSON values, as a JSON Patch (RFC 6902) short enough for a record."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.model import Json

MAX_OPERATIONS = 50
MAX_VALUE_CHARACTERS = 200

Operation = dict[str, Json]


def patch(before: Json, after: Json) -> tuple[Operation, ...]:
    """At most MAX_OPERATIONS operations that lead from one value to the other.

    Old values are not in it. Of a text that changed somewhere in it, `at` says from where to
    where, and `value` is what stands there now.
    """
    found: list[Operation] = []
    for operation in _compare(before, after, ""):
        found.append(operation)
        if len(found) >= MAX_OPERATIONS:
            break
    return tuple(found)


def paths_of(operations: tuple[Operation, ...]) -> tuple[str, ...]:
    """JSON pointers of what it touches."""
    return tuple(operation["path"] or "/" for operation in operations)


def _compare(before: Json, after: Json, path: str) -> Iterator[Operation]:
    if before is after or (type(before) is type(after) and before == after and _plain(before)):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            step = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in after:
                yield {"op": "remove", "path": step}
            elif key not in before:
                yield {"op": "add", "path": step, "value": shortened(after[key])}
            else:
                yield from _compare(before[key], after[key], step)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _compare(old, new, f"{path}/{index}")
    elif isinstance(before, str) and isinstance(after, str):
        yield _text(before, after, path)
    else:
        yield {"op": "replace", "path": path, "value": shortened(after)}


def _plain(value: Json) -> bool:
    """Whether equality says it all: `1 == 1.0 == True` inside a container would not show."""
    return not isinstance(value, (dict, list))


def _text(before: str, after: str, path: str) -> Operation:
    most = min(len(before), len(after))
    start = 0
    while start < most and before[start] == after[start]:
        start += 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    value = after[start : len(after) - end]
    return {
        "op": "replace",
        "path": path,
        "at": [start, len(before) - end],
        "value": shortened(value),
    }


def shortened(value: Json) -> Json:
    """The value, or so much of it as fits into a record."""
    if isinstance(value, (dict, list)):
        text = str(value)
        return value if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARACTERS:
        return f"{value[:MAX_VALUE_CHARACTERS]}… ({len(value)} characters)"
    return value
