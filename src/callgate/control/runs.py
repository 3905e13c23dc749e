"""`/api/v1/runs`: runs of recorded calls, reviewed; and what reviewers say of their calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from callgate.audit.explain import whole
from callgate.control.calls import ask
from callgate.control.calls_query import FILTERS, read_filter, read_number
from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import Views
from callgate.model import Json
from callgate.pipeline.reviewing import Limits, NotOneRun, Reviewer
from callgate.ports import StoreError
from callgate.review.verdicts import MAX_NOTE, Judgement, ReviewVerdict, objection

MOST_CALLS = 10_000  # of the latest, that are looked at for a list of runs
# Less than the command line looks at: this is done in the process that takes the calls.
LIMITS = Limits(calls=1_000, history=500, characters=2 << 20)
MEMBERS = ("call", "verdict", "note")

T = TypeVar("T")


async def listed(request: Request, views: Views) -> Response:
    """The runs of the latest calls, the latest first; `calls` says how many are looked at."""
    parameters = request.several((*FILTERS, "calls"), ("where",))
    most = read_number(parameters, "calls", least=1, most=MOST_CALLS, default=1_000)
    chosen = read_filter(parameters)
    found = await _ask(lambda: Reviewer(views.records).runs(chosen, most))
    return Response.json({"runs": found})


async def one(request: Request, views: Views) -> Response:
    """One run: its calls, data flow, findings, verdicts, and what changed meanwhile."""
    run = request.parts["id"]
    found = await _ask(lambda: Reviewer(views.records, LIMITS).review(run).as_json())
    return Response.json(found)


async def judge(request: Request, views: Views) -> Response:
    """Keeps `{"call": …, "verdict": …, "note": …}` in the record. The author is who asks."""
    said = _said(request)
    entries = await _ask(lambda: views.records.entries(said.about))
    call = whole(entries) if entries else {}
    if call.get("run") != said.run:
        raise Problem(404, "The run has no call with this id.")
    problem = objection(said.verdict, call.get("code"), call.get("ran"))
    if problem:
        raise Problem(409, f"That cannot be said of this call: {problem}.")
    try:
        await views.keep_verdict(said)
    except StoreError as error:
        raise Problem(503, f"The verdict is not kept: {error}") from error
    return Response.json(msgspec.to_builtins(said), 201)


def _said(request: Request) -> ReviewVerdict:
    body: Json = request.json()
    if not isinstance(body, dict) or set(body) - set(MEMBERS):
        raise Problem(400, f"The body must be an object with {', '.join(MEMBERS)}.")
    call, verdict, note = (body.get(name) for name in MEMBERS)
    if not isinstance(call, str) or not call:
        raise Problem(400, "`call` must be the id of a call.")
    if verdict not in list(Judgement):
        raise Problem(400, f"`verdict` must be {', '.join(Judgement)}.")
    if not isinstance(note or "", str) or len(note or "") > MAX_NOTE:
        raise Problem(400, f"`note` must be a text of at most {MAX_NOTE} characters.")
    return ReviewVerdict(
        about=call,
        verdict=Judgement(verdict),
        author=request.operator,
        run=request.parts["id"],
        note=note or "",
    )


async def _ask(question: Callable[[], T]) -> T:
    try:
        return await ask(question)
    except NotOneRun as error:
        raise Problem(404, f"{error}.") from None
