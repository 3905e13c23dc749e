"""`/api/v1/holds` and `/api/v1/erasures`: what must not be erased, and what is to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, TypeVar, cast

from callgate.audit.holds import MAX_REASON
from callgate.audit.selecting import Selector, selector_of
from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import Views
from callgate.model import Json
from callgate.ports import StoreError

WHAT = ("payloads", "calls")

T = TypeVar("T")


async def holds(request: Request, views: Views) -> Response:
    """The holds in force, the oldest first."""
    request.parameters(())
    desk = views.erasing()
    return Response.json({"holds": [one.told() for one in await _ask(desk.holds)]})


async def place(request: Request, views: Views) -> Response:
    """Holds what `{"covers": …, "reason": …}` says. The author is who asks."""
    said = _said(request, "covers", "reason")
    selector, reason, author = _covers(said), _reason(said), request.operator
    desk = views.erasing()
    hold = await _ask(lambda: desk.place(selector, reason, author))
    return Response.json(hold.told(), 201)


async def release(request: Request, views: Views) -> Response:
    """Ends a hold: `{"reason": …}`."""
    reason, author = _reason(_said(request, "reason")), request.operator
    desk, hold = views.erasing(), request.parts["id"]
    released = await _ask(lambda: desk.release(hold, reason, author))
    if released is None:
        raise Problem(404, "There is not exactly one hold in force whose id begins so.")
    return Response.json(released.told())


async def erase(request: Request, views: Views) -> Response:
    """Erases `{"what": …, "covers": …, "reason": …}`; only counts with `"dry_run": true`."""
    said = _said(request, "what", "covers", "reason", "dry_run")
    what, is_dry = said.get("what"), said.get("dry_run", False)
    if what not in WHAT:
        raise Problem(400, f"`what` must be {' or '.join(WHAT)}.")
    if not isinstance(is_dry, bool):
        raise Problem(400, "`dry_run` must be true or false.")
    kept = cast("Literal['payloads', 'calls']", what)
    selector, author = _covers(said), request.operator
    desk = views.erasing()
    if is_dry:
        tally = await _ask(lambda: desk.count(selector, kept))
    else:
        reason = _reason(said)
        tally = await _ask(lambda: desk.erase(selector, kept, reason, author))
    return Response.json({**tally.told(), "erased": not is_dry})


def _said(request: Request, *members: str) -> dict[str, Json]:
    body: Json = request.json()
    if not isinstance(body, dict) or set(body) - set(members):
        raise Problem(400, f"The body must be an object with {', '.join(members)}.")
    return body


def _covers(said: dict[str, Json]) -> Selector:
    """Nothing is held or erased as a whole because something was left out."""
    covers = said.get("covers")
    if covers == "everything":
        return Selector()
    try:
        selector = selector_of(covers)
    except ValueError as error:
        raise Problem(400, f"`covers`: {error}.") from None
    if selector.is_all:
        raise Problem(400, '`covers` must name something, or be "everything".')
    return selector


def _reason(said: dict[str, Json]) -> str:
    reason = said.get("reason")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > MAX_REASON:
        raise Problem(400, f"`reason` must be a text of 1 to {MAX_REASON} characters.")
    return reason


async def _ask(question: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(question)
    except StoreError as error:
        raise Problem(503, f"The record: {error}.") from error
