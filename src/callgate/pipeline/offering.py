"""What a target may ask of a client: what both declared, as far as policy could permit it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from callgate.model import NOTHING, Client, Json, Offer, Principal
from callgate.policy.engine import Engine
from callgate.protocol.methods import ASKED, METHODS, RELAYED_EXTENSIONS, method_tool

_OPTIONS = {
    "elicitation": ("form", "url"),
    "sampling": ("context", "tools"),
    "roots": ("listChanged",),
}
_canonical = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def offer_of(
    principal: Principal,
    client: Client,
    target: str,
    engine: Engine,
    may_ask: Mapping[str, frozenset[str]],
) -> Offer:
    """The capabilities to declare to a target for this client; equal ones are one object.

    INVARIANT: never more than the client declared, nor what policy could never permit: a target
    that is not told of a capability has no right to use it.
    """
    declared = client.capabilities
    if not declared:
        return NOTHING
    wanted = may_ask.get(target, frozenset())
    offered: dict[str, Json] = {}
    for name in ASKED:
        capability = METHODS[name].capability or ""
        if capability in declared and capability in wanted:
            tool = method_tool(target, name)
            is_permitted = engine.may_permit(principal, tool).is_permitted
            if is_permitted and not engine.is_forbidden(principal, tool):
                offered[capability] = _known(capability, declared[capability])
    extensions = relayed(declared)
    if extensions:
        offered["extensions"] = extensions
    return _interned(_canonical(offered)) if offered else NOTHING


def _known(capability: str, said: Json) -> dict[str, Json]:
    """What MCP knows of a capability: other keys would only make equal offers differ."""
    options = said if isinstance(said, dict) else {}
    return {key: options[key] for key in _OPTIONS[capability] if key in options}


@lru_cache(1024)
def _interned(capabilities: bytes) -> Offer:
    digest = hashlib.sha256(capabilities).hexdigest()[:16]
    return Offer(capabilities=_decode(capabilities), digest=digest)


def relayed(capabilities: Mapping[str, Json]) -> dict[str, Json]:
    """The extensions among these capabilities whose messages the gateway passes on."""
    extensions = capabilities.get("extensions")
    if not isinstance(extensions, dict):
        return {}
    return {name: said for name, said in extensions.items() if name in RELAYED_EXTENSIONS}


def can_be_asked(capabilities: Mapping[str, Json]) -> bool:
    """Whether a client with these capabilities answers requests at all."""
    return bool(capabilities) and any(
        (METHODS[name].capability or "") in capabilities for name in ASKED
    )
