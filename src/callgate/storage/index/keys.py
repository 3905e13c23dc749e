"""What a call is found by, as numbers: each stands for one fact, such as `principal is ada`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from zlib import crc32

from callgate.audit.matching import (
    LISTS,
    interceptors_of,
    labels_of,
    leaves_out_lists,
    method_of,
    policies_of,
    split_tool,
    trace_of,
)
from callgate.audit.questions import CallFilter, Condition
from callgate.model import Json, Value

MOST_ARGUMENTS = 64  # values within one call's arguments that it is found by
LONGEST_VALUE = 64  # letters of such a value that count

_FIELDS_OF_KIND = ("target", "tool", "tool_sha256", "code", "ran", "delivered")


class Wanted(Value):
    """What the index can say of a filter: of each group one fact holds, and none of `unwanted`."""

    groups: tuple[tuple[int, ...], ...] = ()
    unwanted: tuple[int, ...] = ()


def key(field: str, value: str) -> int:
    """Two facts may share one: what is found is looked at anyway."""
    return crc32(value.encode("utf-8", "surrogatepass"), _seed(field))


@cache
def _seed(field: str) -> int:
    return _below(0, field)


@lru_cache(4096)  # few names, of many calls
def _step(seed: int, name: str) -> int:
    return _below(seed, name)


def _below(seed: int, step: str) -> int:
    return crc32(step.encode("utf-8", "surrogatepass") + b"\0", seed)


# INVARIANT: what is unwanted is not looked at, so its key is none that a checksum can be. Whoever
# calls chooses arguments, and so what their checksums are.
_LIST = 1 << 32
_REFUSED = key("is", "refused")
_MORE = key("is", "one with more arguments than are counted")


def keys_of(call: dict[str, Json]) -> set[int]:
    """Everything that a whole call is found by."""
    found = {
        *keys_of_kind(call),
        *keys_of_run(call),
        *keys_of_principal(call.get("principal")),
        *keys_of_policy(call),
    }
    if (trace := trace_of(call)) is not None:
        found.add(key("trace", trace))
    add_arguments(call.get("arguments"), found)
    return found


def keys_of_kind(call: dict[str, Json]) -> Iterator[int]:
    """Of what was called, and how that ended."""
    yield from _keys(call, _FIELDS_OF_KIND)
    yield key("method", method_of(call))
    if call.get("code") not in (None, "ok"):
        yield _REFUSED
    if call.get("tool") in LISTS:
        yield _LIST


def keys_of_run(call: dict[str, Json]) -> Iterator[int]:
    """Of what a call belongs to."""
    yield from _keys(call, ("run", "session"))


def keys_of_principal(principal: dict[str, Json] | None) -> Iterator[int]:
    """Of who called."""
    yield from _keys(principal or {}, ("id", "agent", "tenant"))


def keys_of_policy(call: dict[str, Json]) -> Iterator[int]:
    """Of what policies and interceptors said."""
    yield from (key("policy", str(one)) for one in policies_of(call))
    if call.get("changes") or call.get("labels"):
        yield from (key("interceptor", str(one)) for one in interceptors_of(call))
        yield from (key("label", str(one)) for one in labels_of(call))


def _keys(said: dict[str, Json], fields: Iterable[str]) -> Iterator[int]:
    values = ((field, said.get(field)) for field in fields)
    return (key(field, str(value)) for field, value in values if value is not None)


def add_arguments(arguments: Json, keys: set[int]) -> None:
    """Adds every value within, with its path; a list is where each of its items is."""
    left = [(_seed("arguments"), arguments)] if arguments is not None else []
    count = 0
    while left:
        seed, value = left.pop()
        if isinstance(value, dict):
            left += [(_step(seed, name), item) for name, item in value.items()]
        elif isinstance(value, list):
            left += [(seed, item) for item in value]
        else:
            count += 1
            if count > MOST_ARGUMENTS:
                keys.add(_MORE)
                return
            keys.add(_argument_key(seed, value))


def _argument_key(seed: int, value: Json) -> int:
    return crc32(_plain(value)[:LONGEST_VALUE].encode("utf-8", "surrogatepass"), seed)


def _plain(value: Json) -> str:
    """The same for all values that a condition takes for equal."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def wanted_of(chosen: CallFilter) -> Wanted:
    """What of a filter the index knows. What it does not know is left for looking at the calls."""
    unwanted = (_LIST,) if leaves_out_lists(chosen) else ()
    return Wanted(groups=tuple(_groups(chosen)), unwanted=unwanted)


def _groups(chosen: CallFilter) -> Iterator[tuple[int, ...]]:
    """What is rare comes first, mostly: there is less to look at for the others."""
    target, tool = split_tool(chosen)
    wanted = {
        "trace": None if chosen.trace is None else chosen.trace.lower(),
        "run": chosen.run,
        "session": chosen.session,
        "id": chosen.principal,
        "agent": chosen.agent,
        "tool_sha256": chosen.tool_sha256,
        "label": chosen.label,
        "policy": chosen.policy,
        "tenant": chosen.tenant,
        "tool": tool,
        "target": target,
        "interceptor": chosen.interceptor,
        "code": chosen.code,
        "ran": chosen.ran,
        "delivered": None if chosen.is_delivered is None else str(chosen.is_delivered),
        "method": chosen.method,
    }
    for condition in chosen.where:
        if _is_known(condition):
            yield tuple({*_condition_keys(condition), _MORE})
    yield from ((key(field, value),) for field, value in wanted.items() if value is not None)
    if chosen.is_refused:
        yield (_REFUSED,)


def _is_known(condition: Condition) -> bool:
    first, *rest = condition.path
    is_plain = all(step != "*" and not step.isdecimal() for step in rest)
    return condition.operator == "=" and first == "arguments" and is_plain


def _condition_keys(condition: Condition) -> Iterator[int]:
    seed = _seed("arguments")
    for step in condition.path[1:]:
        seed = _below(seed, step)
    yield _argument_key(seed, condition.text)
    if not condition.is_quoted:
        yield _argument_key(seed, condition.value)
