"""Whether a recorded call is one of those that were asked for; every index only serves this."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from callgate.audit.questions import CallFilter, Condition
from callgate.audit.record import rfc3339
from callgate.audit.searching import Search, texts_of
from callgate.model import CALL_TOOL, SEPARATOR, Json
from callgate.protocol.methods import METHODS

Call = dict[str, Json]
"""A call as `audit.explain.whole` has it, or one of its entries."""
Test = Callable[[Call], bool]

LISTS = frozenset(method.name for method in METHODS.values() if method.is_list)


def matcher(chosen: CallFilter) -> Test:
    """Says of a call whether it is one of the chosen. Raises ValueError for a bad search."""
    tests = [*_of_fields(chosen), *_of_time(chosen), *map(_condition, chosen.where)]
    if chosen.text is not None:
        search = Search.parse(chosen.text)
        tests.append(lambda call: search.finds(texts_of(call)))
    return lambda call: all(test(call) for test in tests)


def _of_fields(chosen: CallFilter) -> Iterator[Test]:
    target, tool = split_tool(chosen)
    principal = {
        "id": chosen.principal,
        "agent": chosen.agent,
        "tenant": chosen.tenant,
    }
    wanted: dict[str, Json] = {
        "target": target,
        "tool": tool,
        "tool_sha256": chosen.tool_sha256,
        "code": chosen.code,
        "ran": chosen.ran,
        "delivered": chosen.is_delivered,
        "run": chosen.run,
        "session": chosen.session,
    }
    yield from (_is(_field(name), value) for name, value in wanted.items() if value is not None)
    for name, value in principal.items():
        if value is not None:
            yield _is(_of_principal(name), value)
    yield from _of_several(chosen)
    if chosen.method is not None:
        yield _is(method_of, chosen.method)
    if chosen.trace is not None:
        yield _is(trace_of, chosen.trace.lower())
    if chosen.is_refused:
        yield lambda call: call.get("code") not in (None, "ok")
    if leaves_out_lists(chosen):
        yield lambda call: call.get("tool") not in LISTS


def _of_several(chosen: CallFilter) -> Iterator[Test]:
    for several, value in (
        (policies_of, chosen.policy),
        (interceptors_of, chosen.interceptor),
        (labels_of, chosen.label),
    ):
        if value is not None:
            yield _is_among(several, value)


def _field(name: str) -> Callable[[Call], Json]:
    return lambda call: call.get(name)


def _of_principal(name: str) -> Callable[[Call], Json]:
    return lambda call: (call.get("principal") or {}).get(name)


def _is_among(several: Callable[[Call], Collection[str]], value: str) -> Test:
    return lambda call: value in several(call)


def _is(of: Callable[[Call], Json], value: Json) -> Test:
    return lambda call: bool(of(call) == value)


def _of_time(chosen: CallFilter) -> Iterator[Test]:
    if chosen.since is not None:
        since = rfc3339(chosen.since)  # of one length and in UTC: they sort as texts
        yield lambda call: bool(call["at"] >= since)
    if chosen.until is not None:
        until = rfc3339(chosen.until)
        yield lambda call: bool(call["at"] < until)


def split_tool(chosen: CallFilter) -> tuple[str | None, str | None]:
    """Target and tool, where a qualified name says both. Two targets at once: no call has that."""
    if chosen.tool is None or SEPARATOR not in chosen.tool:
        return chosen.target, chosen.tool
    target, _, tool = chosen.tool.partition(SEPARATOR)
    return (target if chosen.target in (None, target) else ""), tool


def leaves_out_lists(chosen: CallFilter) -> bool:
    """Whether lists are not meant: nobody asked for them, or for one by name."""
    return not chosen.with_lists and chosen.tool is None and chosen.method is None


def reads_payload(chosen: CallFilter) -> bool:
    """Whether it matters what was in arguments and results."""
    beside = ("arguments", "content", "enriched", "*")
    return chosen.text is not None or any(one.path[0] in beside for one in chosen.where)


def method_of(call: Call) -> str:
    """The MCP method of a call; bodies name it only where it is not `tools/call`."""
    method = call.get("method")
    if method is None and call.get("tool") in LISTS:
        method = call["tool"]
    return str(method or CALL_TOOL)


def trace_of(call: Call) -> str | None:
    """The trace id of the `traceparent` that the client sent (W3C trace context)."""
    parts = str(call.get("traceparent") or "").split("-")
    return parts[1].lower() if len(parts) > 1 else None


def policies_of(call: Call) -> tuple[str, ...]:
    """The ids of the determining policies."""
    return tuple((call.get("decision") or {}).get("policies") or ())


def interceptors_of(call: Call) -> set[str]:
    """The interceptors that did anything."""
    return {change["interceptor"] for change in call.get("changes") or ()}


def labels_of(call: Call) -> set[str]:
    """The labels that the call had, or that interceptors gave it."""
    given = (change.get("labels") or () for change in call.get("changes") or ())
    return {*(call.get("labels") or ()), *(label for labels in given for label in labels)}


def _condition(condition: Condition) -> Test:
    compare = _COMPARISONS[condition.operator]
    if condition.operator == "!=":  # none is so, rather than: one is not so
        return lambda call: (
            not any(_equal(found, condition) for found in values_at(call, condition.path))
        )
    return lambda call: any(compare(found, condition) for found in values_at(call, condition.path))


def values_at(value: Json, path: tuple[str, ...]) -> Iterator[Json]:
    """What is at a path; a list stands for each of its items, also at the end."""
    if isinstance(value, list):
        if path and path[0].isdecimal():
            if int(path[0]) < len(value):
                yield from values_at(value[int(path[0])], path[1:])
            return
        rest = path[1:] if path and path[0] == "*" else path
        for item in value:
            yield from values_at(item, rest)
    elif not path:
        yield value
    elif isinstance(value, dict):
        if path[0] == "*":
            for item in value.values():
                yield from values_at(item, path[1:])
        elif path[0] in value:
            yield from values_at(value[path[0]], path[1:])


def _equal(found: Json, condition: Condition) -> bool:
    if isinstance(found, str):
        return found == condition.text
    if condition.is_quoted or isinstance(found, bool) is not isinstance(condition.value, bool):
        return False
    return bool(found == condition.value)


def _ordered(found: Json, condition: Condition) -> int | None:
    """-1, 0 or 1 as `found` is less, the same or more; None where they cannot be compared."""
    other = condition.value
    if isinstance(found, str):
        other = condition.text
    elif isinstance(found, bool) or not isinstance(found, (int, float)) or isinstance(other, str):
        return None
    return int(found > other) - int(found < other)


_COMPARISONS: dict[str, Callable[[Json, Condition], bool]] = {
    "=": _equal,
    "!=": _equal,
    "?": lambda found, condition: True,
    "~": lambda found, condition: (
        isinstance(found, str) and condition.text.casefold() in found.casefold()
    ),
    "<": lambda found, condition: _ordered(found, condition) == -1,
    "<=": lambda found, condition: _ordered(found, condition) in (-1, 0),
    ">": lambda found, condition: _ordered(found, condition) == 1,
    ">=": lambda found, condition: _ordered(found, condition) in (0, 1),
}
