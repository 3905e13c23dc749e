"""`/api/v1/calls`: the recorded calls, and why each ended as it did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from callgate.audit.explain import explain
from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import Views
from callgate.ports import CallFilter, StoreError

MOST = 1000
TEXTS = ("principal", "agent", "target", "tool", "code")
PARAMETERS = (*TEXTS, "refused", "lists", "since", "until", "limit")

T = TypeVar("T")


async def listed(request: Request, views: Views) -> Response:
    """Newest first. For the next page, `until` is the `at` of the last call."""
    chosen = read_filter(request.parameters(PARAMETERS))
    calls = await _ask(lambda: views.records.calls(chosen))
    return Response.json({"calls": calls})


async def one(request: Request, views: Views) -> Response:
    """Everything recorded of one call, and that in words."""
    call_id = request.parts["id"]
    entries = await _ask(lambda: views.records.entries(call_id))
    if not entries:
        raise Problem(404, "There is no call with this id in the record.")
    explanation = explain(entries)
    told = msgspec.to_builtins(explanation)
    return Response.json({**told, "text": str(explanation), "entries": entries})


async def _ask(question: Callable[[], T]) -> T:
    # Off the loop: a scan of a long record takes its time, and calls must not wait for it.
    try:
        return await asyncio.to_thread(question)
    except StoreError as error:
        raise Problem(503, f"The record cannot be read now: {error}") from error


def read_filter(parameters: dict[str, str]) -> CallFilter:
    """The filter that a query asks for. Raises Problem, which names the parameter."""
    texts: dict[str, Any] = {name: parameters[name] for name in TEXTS if name in parameters}
    if parameters.get("refused", "true") != "true":
        raise Problem(400, "`refused` can only be true; `code=ok` lists what was let through.")
    if parameters.get("lists", "true") not in ("true", "false"):
        raise Problem(400, "`lists` must be true or false.")
    since, until = (_instant(parameters, name) for name in ("since", "until"))
    return CallFilter(
        **texts,
        is_refused="refused" in parameters,
        with_lists=parameters.get("lists") == "true",
        since=since,
        until=until,
        limit=_limit(parameters.get("limit")),
    )


def _instant(parameters: dict[str, str], name: str) -> float | None:
    text = parameters.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    raise Problem(400, f"`{name}` must be an instant such as 2026-10-01T12:00:00Z (`+` is %2B).")


def _limit(text: str | None) -> int:
    if text is None:
        return CallFilter().limit
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) <= MOST):
        raise Problem(400, f"`limit` must be a number from 1 to {MOST}.")
    return int(text)
