"""A principal → the Cedar entities that stand for it: itself, its groups, the gateway."""

from __future__ import annotations

import msgspec

from callgate.model import Json, Principal, Value
from callgate.policy.index import Lineage
from callgate.policy.names import Names

_canonical = msgspec.json.Encoder(order="sorted").encode


class Facts(Value):
    """What policy knows of one principal. Made once per verified principal, then reused."""

    lineage: Lineage
    entities: str  # Cedar's entities JSON
    request_principal: dict[str, Json]


def facts_of(principal: Principal, names: Names) -> Facts:
    """The facts of a principal. Group membership is flat: as the proof stated it.

    INVARIANT: every group named as a parent exists as an entity (cedar.md §6: an absent principal
    or group makes group forbids vanish).
    """
    kind = names.ANONYMOUS if principal.kind == "anonymous" else names.USER
    uid = names.uid(kind, principal.id)
    groups = [names.uid(names.GROUP, group) for group in dict.fromkeys(principal.groups)]
    attributes: dict[str, Json] = {"id": principal.id, "issuer": principal.issuer}
    if principal.tenant is not None:
        attributes["tenant"] = principal.tenant
    if principal.agent is not None:
        attributes["agent"] = principal.agent
    tags = {name: tag_text(value) for name, value in principal.claims.items() if value is not None}
    entities = [
        {"uid": uid, "attrs": attributes, "parents": groups, "tags": tags},
        *({"uid": group, "attrs": {}, "parents": []} for group in groups),
        {"uid": names.uid(names.GATEWAY, names.gateway), "attrs": {}, "parents": []},
    ]
    own = (uid["type"], uid["id"])
    return Facts(
        lineage=Lineage.of(own, [(group["type"], group["id"]) for group in groups]),
        entities=msgspec.json.encode(entities).decode(),
        request_principal=uid,
    )


def tag_text(value: Json) -> str:
    """A claim as a tag: strings as they are, everything else as canonical JSON text."""
    return value if isinstance(value, str) else _canonical(value).decode()
