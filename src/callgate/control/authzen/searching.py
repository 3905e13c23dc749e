"""AuthZEN's searches: who may do this, on what may it be done, what may be done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from callgate.audit.principals import Recalled
from callgate.control.authzen.deciding import Case, may
from callgate.control.authzen.mapping import (
    ANONYMOUS,
    GATEWAY,
    ID,
    SERVER,
    SUBJECTS,
    TOOL,
    Unknown,
    enriched_of,
    instant_of,
    place_of,
    principal_of,
    tool_at,
)
from callgate.control.authzen.reading import (
    Action,
    ActionSearch,
    Resource,
    ResourceSearch,
    SubjectSearch,
)
from callgate.model import CALL_TOOL, Json, Principal, Tool, Value, qualify
from callgate.pipeline.gateway import Gateway
from callgate.policy.claims import claims_matter
from callgate.protocol.methods import METHODS

AT_ONCE = 8  # decisions before calls have their turn again
OTHER_METHODS = tuple(name for name in METHODS if name != CALL_TOOL)

Found = dict[str, Json]


class Sought(Value):
    """What a search found, all of it, in a stable order; and how many decisions that took."""

    results: tuple[Found, ...] = ()
    decided: int = 0


class _Candidate(Value):
    """What is found where this principal may use this tool so."""

    found: Found
    principal: Principal
    tool: Tool
    case: Case


async def subjects(asked: SubjectSearch, gateway: Gateway, known: Sequence[Recalled]) -> Sought:
    """Of the principals that are known, those who may (§8.4). Raises Unclear.

    Of whom the claims are not known is left out where they could decide.
    """
    if asked.subject.type not in SUBJECTS:
        return Sought()
    is_anonymous = asked.subject.type == ANONYMOUS
    chosen = [one for one in known if (one.principal.kind == ANONYMOUS) == is_anonymous]

    async def candidates() -> AsyncIterator[_Candidate]:
        place = place_of(asked.action, asked.resource, gateway)
        tool = await tool_at(place, gateway)
        case = _case(asked.context, place.arguments, gateway)
        for recalled in sorted(chosen, key=lambda one: (one.principal.id, one.principal.key)):
            one = recalled.principal
            if recalled.lacks and claims_matter(gateway.engine, one, tool):
                continue
            found = _subject(asked.subject.type, one)
            yield _Candidate(found=found, principal=one, tool=tool, case=case)

    return await _sought(candidates(), gateway)


async def resources(asked: ResourceSearch, gateway: Gateway) -> Sought:
    """What of this type the subject may do it to (§8.5). Raises Unclear."""
    of_type = asked.resource.type

    async def candidates() -> AsyncIterator[_Candidate]:
        principal = principal_of(asked.subject, asked.context)
        await gateway.catalog.ensure()
        for identifier in _ids(of_type, asked.action, gateway):
            resource = Resource(type=of_type, id=identifier)
            candidate = await _candidate(
                {"type": of_type, "id": identifier},
                principal,
                (asked.action, resource, asked.context),
                gateway,
            )
            if candidate is not None:
                yield candidate

    return await _sought(candidates(), gateway)


async def actions(asked: ActionSearch, gateway: Gateway) -> Sought:
    """What the subject may do to it (§8.6). Raises Unclear."""

    async def candidates() -> AsyncIterator[_Candidate]:
        principal = principal_of(asked.subject, asked.context)
        await gateway.catalog.ensure()
        for name in _names(asked.resource, gateway):
            candidate = await _candidate(
                {"name": name},
                principal,
                (Action(name=name), asked.resource, asked.context),
                gateway,
            )
            if candidate is not None:
                yield candidate

    return await _sought(candidates(), gateway)


async def _candidate(
    found: Found,
    principal: Principal,
    asked: tuple[Action, Resource, dict[str, Json]],
    gateway: Gateway,
) -> _Candidate | None:
    action, resource, context = asked
    try:
        place = place_of(action, resource, gateway)
        tool = await tool_at(place, gateway)
    except Unknown:
        return None
    case = _case(context, place.arguments, gateway)
    return _Candidate(found=found, principal=principal, tool=tool, case=case)


def _case(context: dict[str, Json], arguments: dict[str, Json] | None, gateway: Gateway) -> Case:
    return Case(arguments=arguments, enriched=enriched_of(context), at=instant_of(context, gateway))


async def _sought(candidates: AsyncIterator[_Candidate], gateway: Gateway) -> Sought:
    results: list[Found] = []
    decided = 0
    try:
        async for one in candidates:
            decided += 1
            if may(one.principal, one.tool, one.case, gateway):
                results.append(one.found)
            if decided % AT_ONCE == 0:
                await asyncio.sleep(0)
    except Unknown:
        return Sought()  # what is not there is found nowhere: no error (certification, §4.6)
    return Sought(results=tuple(results), decided=decided)


def _ids(of_type: str, action: Action, gateway: Gateway) -> Iterator[str]:
    """Every id of this type that the gateway knows."""
    catalog = gateway.catalog
    if of_type == GATEWAY:
        yield gateway.engine.names.gateway
    elif of_type == SERVER:
        yield from catalog.targets()
    elif of_type == TOOL:
        yield from (tool.qualified_name for tool in catalog.tools())
    elif catalog.has_target(of_type):
        tool = catalog.find(of_type, action.name)
        yield from _declared_ids(tool.input_schema) if tool is not None else ()


def _declared_ids(schema: dict[str, Json]) -> Iterator[str]:
    """The ids that an input schema lists: of others nothing is known here."""
    properties = schema.get("properties")
    declared = properties.get(ID) if isinstance(properties, dict) else None
    if isinstance(declared, dict):
        listed = declared.get("enum", [declared.get("const")])
        yield from (one for one in listed if isinstance(one, str) and one)


def _names(resource: Resource, gateway: Gateway) -> Iterator[str]:
    """Every action that there is on this resource."""
    catalog = gateway.catalog
    if resource.type == TOOL:
        yield CALL_TOOL
    elif resource.type == GATEWAY:
        yield from (tool.qualified_name for tool in catalog.tools())
        for target in catalog.targets():
            yield from (qualify(target, name) for name in OTHER_METHODS)
    elif resource.type == SERVER and catalog.has_target(resource.id):
        yield from (tool.name for tool in catalog.tools(resource.id))
        yield from OTHER_METHODS
    elif catalog.has_target(resource.type):
        yield from (tool.name for tool in catalog.tools(resource.type))


def _subject(of_type: str, principal: Principal) -> Found:
    """With what an evaluation needs to come to the same decision."""
    facts = {
        "groups": list(principal.groups),
        "tenant": principal.tenant,
        "agent": principal.agent,
        "issuer": principal.issuer,
    }
    properties = {**principal.claims, **{name: value for name, value in facts.items() if value}}
    found: Found = {"type": of_type, "id": principal.id}
    return {**found, "properties": properties} if properties else found
