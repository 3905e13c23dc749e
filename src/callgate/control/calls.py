"""`/api/v1/calls`: the recorded calls, and why each ended as it did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from callgate.audit.searching import SearchError
from callgate.control.calls_query import FILTERS, PAGES, read_filter, read_number
from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import Views
from callgate.pipeline.explaining import Explainer
from callgate.ports import CallFilter, CursorError, Page, StoreError

MOST_WAIT_SECONDS = 60
LOOK_EVERY_SECONDS = 0.5
MOST_WAITING = 32  # who may wait for new calls at the same time

T = TypeVar("T")


async def listed(request: Request, views: Views) -> Response:
    """Newest first. For the next page, `after` is the `next` of the one before."""
    chosen = read_filter(request.several((*FILTERS, *PAGES), ("where",)))
    page = await ask(lambda: views.records.calls(chosen))
    return _page(page)


async def live(request: Request, views: Views) -> Response:
    """The calls that ended since `after`, oldest first; waits for some, up to `wait` seconds.

    Without `after` it says where now is. Ends early where the gateway does.
    """
    parameters = request.several((*FILTERS, *PAGES, "wait"), ("where",))
    seconds = read_number(parameters, "wait", most=MOST_WAIT_SECONDS, default=0)
    chosen = read_filter(parameters)
    page = await ask(lambda: views.records.ended(chosen))
    if page.calls or chosen.after is None or seconds == 0:
        return _page(page)
    with views.waiting.one_more(MOST_WAITING):
        return _page(await _waited(page, chosen, views, seconds))


async def _waited(page: Page, chosen: CallFilter, views: Views, seconds: int) -> Page:
    rounds = int(seconds / LOOK_EVERY_SECONDS)
    while rounds > 0 and not page.calls and not views.is_stopping():
        rounds -= 1
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        page = await ask(partial(views.records.ended, replace(chosen, after=page.next)))
    return page


async def one(request: Request, views: Views) -> Response:
    """Everything recorded of one call, and that in words; decided again, to say what turns it."""
    call_id = request.parts["id"]
    found = await ask(lambda: Explainer(views.records).explain(call_id))
    if found is None:
        raise Problem(404, "There is no call with this id in the record.")
    return Response.json({**found.as_json(), "text": str(found.explanation)})


def _page(page: Page) -> Response:
    return Response.json({"calls": page.calls, "next": page.next, "behind": page.behind})


async def ask(question: Callable[[], T]) -> T:
    """What the record answers. Raises Problem where it cannot, or where the question is wrong."""
    # Off the loop: a look through a long record takes its time, and calls must not wait for it.
    try:
        return await asyncio.to_thread(question)
    except CursorError as error:
        raise Problem(400, f"`after`: {error}.") from None
    except SearchError as error:
        raise Problem(400, f"`search`: {error}.") from None
    except StoreError as error:
        raise Problem(503, f"The record cannot be read now: {error}") from error
