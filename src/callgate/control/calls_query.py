"""The query of `/api/v1/calls`: which calls are meant, or what in it makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callgate.audit.questions import Condition
from callgate.control.instants import read_instant
from callgate.control.problems import Problem
from callgate.ports import CallFilter

MOST = 1000
MOST_CONDITIONS = 32
TEXTS = (
    "principal",
    "agent",
    "tenant",
    "target",
    "tool",
    "tool_sha256",
    "method",
    "code",
    "run",
    "session",
    "trace",
    "policy",
    "interceptor",
    "label",
)
FILTERS = (*TEXTS, "ran", "delivered", "refused", "lists", "where", "search", "since", "until")
PAGES = ("after", "limit")
RAN = ("yes", "no", "unknown")

Parameters = Mapping[str, list[str]]


def read_filter(parameters: Parameters) -> CallFilter:
    """The filter that a query asks for. Raises Problem, which names the parameter."""
    texts: dict[str, Any] = {name: _one(parameters, name) for name in TEXTS}
    ran = _one(parameters, "ran")
    if ran not in (None, *RAN):
        raise Problem(400, f"`ran` must be {', '.join(RAN[:-1])} or {RAN[-1]}.")
    if _one(parameters, "refused") not in (None, "true"):
        raise Problem(400, "`refused` can only be true; `code=ok` lists what was let through.")
    return CallFilter(
        **texts,
        ran=ran,
        is_delivered=_boolean(parameters, "delivered"),
        where=_conditions(parameters.get("where", [])),
        text=_one(parameters, "search"),
        is_refused="refused" in parameters,
        with_lists=bool(_boolean(parameters, "lists")),
        since=_instant(parameters, "since"),
        until=_instant(parameters, "until"),
        after=_one(parameters, "after"),
        limit=read_number(parameters, "limit", least=1, most=MOST, default=CallFilter().limit),
    )


def read_number(
    parameters: Parameters, name: str, *, least: int = 0, most: int, default: int
) -> int:
    """A whole number within bounds. Raises Problem."""
    text = _one(parameters, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and least <= int(text) <= most):
        raise Problem(400, f"`{name}` must be a number from {least} to {most}.")
    return int(text)


def _one(parameters: Parameters, name: str) -> str | None:
    found = parameters.get(name)
    return found[0] if found else None


def _boolean(parameters: Parameters, name: str) -> bool | None:
    text = _one(parameters, name)
    if text not in (None, "true", "false"):
        raise Problem(400, f"`{name}` must be true or false.")
    return None if text is None else text == "true"


def _conditions(written: list[str]) -> tuple[Condition, ...]:
    if len(written) > MOST_CONDITIONS:
        raise Problem(400, f"`where` can be given {MOST_CONDITIONS} times at most.")
    try:
        return tuple(map(Condition.parse, written))
    except ValueError as error:
        raise Problem(400, f"`where`: {error}.") from None


def _instant(parameters: Parameters, name: str) -> float | None:
    text = _one(parameters, name)
    if text is None:
        return None
    if (at := read_instant(text)) is not None:
        return at
    raise Problem(400, f"`{name}` must be an instant such as 2026-10-01T12:00:00Z (`+` is %2B).")
