"""AuthZEN's words in ours: a subject is a principal, an action on a resource a use of a tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from callgate.control.authzen.reading import Action, Resource, Subject, Unclear
from callgate.control.instants import read_instant
from callgate.model import CALL_TOOL, SEPARATOR, Json, Principal, Tool, Value, qualify, split_name
from callgate.pipeline.gateway import Gateway
from callgate.protocol.methods import METHODS, method_tool

ANONYMOUS = "anonymous"
SUBJECTS: Mapping[str, str] = {"user": "jwt", "identity": "jwt", ANONYMOUS: ANONYMOUS}
"""Subject types → the kind of principal. `identity` is what COAZ-MCP says for a user."""
GATEWAY, SERVER, TOOL = "gateway", "mcp_server", "tool"
ID = "id"  # the argument that takes the id of a thing
MAX_SUBJECT_BYTES = 16 << 10  # the engine keeps some thousands of principals

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


class Unknown(Exception):  # noqa: N818 - a finding about the request
    """There is nothing here by that name; the decision is false."""


class Place(Value):
    """What would be used, and with what. `arguments` is None where none were given."""

    target: str
    name: str  # a tool, or a method of MCP
    arguments: dict[str, Json] | None = None


def principal_of(subject: Subject, context: Mapping[str, Json]) -> Principal:
    """The subject as a principal; equal ones are one object, so that plans for it are kept.

    Its properties are its claims. Raises Unknown for another type, Unclear for a property that
    does not have the type that the gateway reads.
    """
    if subject.type not in SUBJECTS:
        known = ", ".join(SUBJECTS)
        raise Unknown(f"There is no subject type {subject.type[:64]!r} here; there are {known}.")
    agent = _text(subject.properties, "agent", "subject.properties")
    acting = _text(context, "agent", "context")
    if None not in (agent, acting) and agent != acting:
        raise Unclear("`context.agent` and `subject.properties.agent` are not the same.")
    raw = _encode([subject.type, subject.id, subject.properties, agent or acting])
    if len(raw) > MAX_SUBJECT_BYTES:
        raise Unclear(f"The subject is larger than {MAX_SUBJECT_BYTES} bytes; leave claims out.")
    return _interned(raw)


@lru_cache(1024)
def _interned(raw: bytes) -> Principal:
    of_type, identifier, claims, agent = _decode(raw)
    groups = claims.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise Unclear("`subject.properties.groups` must be an array of strings.")
    issuers = [_text(claims, name, "subject.properties") for name in ("issuer", "iss")]
    return Principal(
        id=identifier,
        issuer=next((issuer for issuer in issuers if issuer is not None), ""),
        kind=SUBJECTS[of_type],
        claims=claims,
        groups=tuple(groups),
        tenant=_text(claims, "tenant", "subject.properties"),
        agent=agent,
    )


def _text(members: Mapping[str, Json], name: str, where: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise Unclear(f"`{where}.{name}` must be a string.")
    return value


def place_of(action: Action, resource: Resource, gateway: Gateway) -> Place:
    """What an action on a resource comes to. Raises Unknown, Unclear.

    Any type that is not the gateway's own is a target, and the resource one of its things.
    """
    return _PLACES.get(resource.type, _of_thing)(action, resource, gateway)


def _of_gateway(action: Action, resource: Resource, gateway: Gateway) -> Place:
    """`shop___refund` on the gateway: what stands in a policy's scope."""
    own = gateway.engine.names.gateway
    if resource.id != own:
        raise Unknown(f"This gateway is called {own!r}.")
    return _split(action.name, action)


def _of_tool(action: Action, resource: Resource, _gateway: Gateway) -> Place:
    """`tools/call` on the tool `shop___refund`: the default mapping of COAZ-MCP."""
    if action.name != CALL_TOOL:
        raise Unknown(f"The only action on a tool is {CALL_TOOL}.")
    return _split(resource.id, action)


def _of_server(action: Action, resource: Resource, _gateway: Gateway) -> Place:
    """`tools/list`, or a tool, on the target `shop`."""
    return Place(target=resource.id, name=action.name, arguments=action.arguments)


def _of_thing(action: Action, resource: Resource, _gateway: Gateway) -> Place:
    """`read` on the record `7`: the tool `read` of the target `record`, with the argument `id`."""
    arguments: dict[str, Json] = {ID: resource.id}
    for members in (resource.properties, action.arguments or {}):
        for name, value in members.items():
            if name in arguments and arguments[name] != value:
                raise Unclear(f"The argument {name[:64]!r} is given twice, with two values.")
            arguments[name] = value
    return Place(target=resource.type, name=action.name, arguments=arguments)


_PLACES: Mapping[str, Callable[[Action, Resource, Gateway], Place]] = {
    GATEWAY: _of_gateway,
    TOOL: _of_tool,
    SERVER: _of_server,
}


def _split(qualified: str, action: Action) -> Place:
    names = split_name(None, qualified)
    if names is None:
        raise Unknown(f"{qualified[:128]!r} is not of the form <target>{SEPARATOR}<tool>.")
    return Place(target=names[0], name=names[1], arguments=action.arguments)


async def tool_at(place: Place, gateway: Gateway) -> Tool:
    """The tool, or method of MCP. Raises Unknown. A target that starts late is waited for."""
    catalog = gateway.catalog
    named = qualify(place.target, place.name)[:128]
    if not catalog.has_target(place.target):
        raise Unknown(f"{named!r}: there is no target {place.target[:64]!r}.")
    if place.name in METHODS and place.name != CALL_TOOL:
        return method_tool(place.target, place.name)
    tool = catalog.find(place.target, place.name)
    if tool is None:
        await catalog.ensure(place.target)
        tool = catalog.find(place.target, place.name)
    if tool is None:
        raise Unknown(f"There is no tool {named!r}.")
    return tool


def instant_of(context: Mapping[str, Json], gateway: Gateway) -> float:
    """The instant that is decided about: `context.time`, else now. Raises Unclear."""
    text = _text(context, "time", "context")
    if text is None:
        return gateway.clock.now()
    if (at := read_instant(text)) is not None:
        return at
    raise Unclear("`context.time` must be an instant with an offset, as 2026-10-01T12:00:00Z.")


def enriched_of(context: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """What interceptors would have added: `context.enriched`, by interceptor. Raises Unclear."""
    enriched = context.get("enriched", {})
    if not isinstance(enriched, dict) or not all(isinstance(f, dict) for f in enriched.values()):
        raise Unclear(
            "`context.enriched` must be an object of objects: interceptor → fact → value."
        )
    return enriched
