"""`/access/v1/…` and the metadata: what AuthZEN's policy enforcement points ask for over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from callgate.control.authzen import searching
from callgate.control.authzen.deciding import decide, failed
from callgate.control.authzen.paging import paged
from callgate.control.authzen.reading import (
    Action,
    ActionSearch,
    Evaluation,
    Members,
    Resource,
    ResourceSearch,
    Subject,
    SubjectSearch,
    Unclear,
    object_of,
    read,
)
from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import Views
from callgate.model import Json, Value
from callgate.pipeline.gateway import Gateway
from callgate.ports import StoreError

MOST_EVALUATIONS = 1000
ENTITIES = ("subject", "action", "resource", "context")
SEMANTICS: dict[str, bool | None] = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
"""`options.evaluations_semantic` → the decision that ends the rest."""

T = TypeVar("T", SubjectSearch, ResourceSearch, ActionSearch)


async def evaluation(request: Request, views: Views) -> Response:
    """May this subject do this (§6)?"""
    return Response.json(await _single(object_of(request), views))


async def _single(body: Members, views: Views) -> dict[str, Json]:
    gateway = views.in_force()
    try:
        decision = await decide(read(body, Evaluation), gateway)
    except Unclear as finding:
        raise Problem(400, str(finding)) from None
    views.count_evaluations("evaluation", decision["decision"], 1)
    return decision


class _Options(Value):
    evaluations_semantic: str = "execute_all"


class _Defaults(Value):
    """What holds for every evaluation that does not say otherwise (§7.1.1)."""

    subject: Subject | None = None
    action: Action | None = None
    resource: Resource | None = None
    context: Members | None = None
    options: _Options = _Options()


async def evaluations(request: Request, views: Views) -> Response:
    """The same of many (§7), in their order; a fault in one of them refuses just that one."""
    body = object_of(request)
    listed = body.get("evaluations", [])
    if listed == []:
        return Response.json(await _single(body, views))
    ending = _ending(body)
    if not isinstance(listed, list) or len(listed) > MOST_EVALUATIONS:
        raise Problem(400, f"`evaluations` must be an array of at most {MOST_EVALUATIONS} objects.")
    gateway = views.in_force()
    decisions: list[dict[str, Json]] = []
    for number, item in enumerate(listed, 1):
        decision = await _item(body, item, gateway)
        decisions.append(decision)
        views.count_evaluations("evaluations", decision["decision"], 1)
        if decision["decision"] is ending:
            break
        if number % searching.AT_ONCE == 0:
            await asyncio.sleep(0)  # calls have their turn
    return Response.json({"evaluations": decisions})


def _ending(body: Members) -> bool | None:
    """The decision that ends a batch; None where nothing does. Raises Problem."""
    try:
        options = read(body, _Defaults)
    except Unclear as finding:
        raise Problem(400, str(finding)) from None
    semantic = options.options.evaluations_semantic
    if semantic not in SEMANTICS:
        raise Problem(400, f"`options.evaluations_semantic` must be one of {', '.join(SEMANTICS)}.")
    return SEMANTICS[semantic]


async def _item(body: Members, item: Json, gateway: Gateway) -> dict[str, Json]:
    if not isinstance(item, dict):
        return failed(400, "An evaluation must be an object.")
    # Whole entities replace the default; their members are not mixed (§7.1.1).
    members = {name: source[name] for source in (body, item) for name in ENTITIES if name in source}
    try:
        return await decide(read(members, Evaluation), gateway)
    except Unclear as finding:
        return failed(400, str(finding))


async def search_subject(request: Request, views: Views) -> Response:
    """Who may (§8.4)? Among the principals of the configuration and of the record."""

    async def answer(asked: SubjectSearch, gateway: Gateway) -> searching.Sought:
        try:
            known = await asyncio.to_thread(views.principals)
        except StoreError as error:
            raise Problem(503, f"The record cannot be read now: {error}") from error
        return await searching.subjects(asked, gateway, known)

    return await _search(request, views, SubjectSearch, answer)


async def search_resource(request: Request, views: Views) -> Response:
    """On what may it be done (§8.5)?"""
    return await _search(request, views, ResourceSearch, searching.resources)


async def search_action(request: Request, views: Views) -> Response:
    """What may be done (§8.6)?"""
    return await _search(request, views, ActionSearch, searching.actions)


async def _search(
    request: Request,
    views: Views,
    kind: type[T],
    answer: Callable[[T, Gateway], Awaitable[searching.Sought]],
) -> Response:
    body = object_of(request)
    try:
        asked = read(body, kind)
        paged((), asked.page, body)  # a token of another request is refused before the work
        sought = await answer(asked, views.in_force())
        page = paged(sought.results, asked.page, body)
    except Unclear as finding:
        raise Problem(400, str(finding)) from None
    views.count_evaluations("search", True, len(sought.results))
    views.count_evaluations("search", False, sought.decided - len(sought.results))
    return Response.json(page)


async def metadata(request: Request, _views: Views) -> Response:
    """Where all this is (§9). Under `listeners.control.public_url`, else where it was asked for."""
    base = request.base_url
    return Response.json(
        {
            "policy_decision_point": base,
            "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
            "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
            "search_subject_endpoint": f"{base}/access/v1/search/subject",
            "search_resource_endpoint": f"{base}/access/v1/search/resource",
            "search_action_endpoint": f"{base}/access/v1/search/action",
        }
    )
