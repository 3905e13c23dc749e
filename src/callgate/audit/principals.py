"""Who called, as the record says it: short in each entry, the rest of the proof described once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from callgate.audit.event import PRINCIPAL_DESCRIBED, event
from callgate.audit.record import Entry, written
from callgate.model import Json, Principal, Value
from callgate.protocol.jsonrpc import encode

# What is another in each token of the same bearer. It stands in the entries themselves, so that a
# decision can be made again with it, and so that nobody's description is written for each token.
VOLATILE = frozenset(
    {
        "aio", "at_hash", "auth_time", "c_hash", "exp", "iat", "jti", "nbf", "nonce", "rat", "rh",
        "s_hash", "session_state", "sid", "uti",
    }
)  # fmt: skip
MAX_TOKEN_CHARACTERS = 256  # of a volatile claim; what is longer is described
MAX_KNOWN = 4096
ID_PREFIX = "principal:"
_sorted = msgspec.json.Encoder(order="sorted").encode

# Why the claims of somebody who called are not known.
NEVER_RECORDED = "its claims were not recorded"
NOT_IN_RECORD = "its claims are not in the record"
ERASED_CLAIMS = "its claims were erased"
KEPT_BACK = "its claims are for those who may read the record"
LIE_ELSEWHERE = "its claims lie outside the record and cannot be read here"


class Description(Value):
    """One principal, ready to be recorded."""

    principal: Principal
    body: msgspec.Raw  # what each entry says
    digest: str | None  # of the claims; None: there are none beside the volatile ones
    identifier: str | None  # of the event that describes it
    claims: dict[str, Json]

    def entry(self, at: float) -> Entry:
        """That event: the verified claims, as policy can read them."""
        said = {"sha256": self.digest, "issuer": self.principal.issuer}
        payload = {"claims": self.claims}
        return event(PRINCIPAL_DESCRIBED, at, said, identifier=self.identifier, payload=payload)


class Recalled(Value):
    """Somebody who called, as the record tells it now."""

    principal: Principal
    lacks: str = ""  # why its claims are not known; then it has none here. "": they are


def kept_back(one: Recalled) -> Recalled:
    """The same for whom the record is not open to: without the claims, if there are any."""
    if not one.principal.claims:
        return one
    return Recalled(principal=replace(one.principal, claims={}), lacks=one.lacks or KEPT_BACK)


_known: dict[int, Description] = {}  # by the identity of the principal that each one holds


def describe(principal: Principal) -> Description:
    """What is recorded of a principal; made once for each verified proof."""
    found = _known.get(id(principal))
    if found is None or found.principal is not principal:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        found = _known[id(principal)] = _made(principal)
    return found


def _made(principal: Principal) -> Description:
    token: dict[str, Json] = {}
    claims: dict[str, Json] = {}
    for name, value in principal.claims.items():
        if value is None:
            continue  # no policy can see it
        (token if name in VOLATILE and _is_short(value) else claims)[name] = value
    digest = hashlib.sha256(_in_order(claims)).hexdigest() if claims else None
    said: dict[str, Json] = {
        "id": principal.id,
        "issuer": principal.issuer,
        "kind": principal.kind,
        "groups": principal.groups,
        "tenant": principal.tenant,
        "agent": principal.agent,
    }
    if digest is not None:
        said["claims_sha256"] = digest
    if token:
        said["token"] = token
    return Description(
        principal=principal,
        body=msgspec.Raw(written(said)),
        digest=digest,
        identifier=description_of(said),
        claims=claims,
    )


def _is_short(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TOKEN_CHARACTERS
    return isinstance(value, (int, float))


def _in_order(claims: dict[str, Json]) -> bytes:
    try:
        return _sorted(claims)
    except ValueError:  # half a character: its digest is of what can be written
        return encode(msgspec.json.decode(written(claims)))


def principal_of(body: dict[str, Json], described: dict[str, Json] | None) -> Principal | None:
    """Who called, again: of a recorded body, and the description that it refers to."""
    said = body.get("principal")
    if not isinstance(said, dict):
        return None
    claims = (described or {}).get("claims") or {}
    return Principal(
        id=said["id"],
        issuer=said["issuer"],
        kind=said["kind"],
        claims={**claims, **(said.get("token") or {})},
        groups=tuple(said.get("groups") or ()),
        tenant=said.get("tenant"),
        agent=said.get("agent"),
    )


def principal_id(digest: str) -> str:
    """The id of the event that describes whom these claims are of."""
    return f"{ID_PREFIX}{digest}"


def description_of(said: Mapping[str, Json]) -> str | None:
    """The id of the event that a recorded principal refers to; None where it refers to none."""
    digest = said.get("claims_sha256")
    return None if digest is None else principal_id(digest)


def recalled(body: dict[str, Json], described: dict[str, Json] | None) -> Recalled | None:
    """The same as `principal_of`, and why its claims are not known, where they are not."""
    principal = principal_of(body, described)
    if principal is None:
        return None
    return Recalled(principal=principal, lacks=_lacks(body, described))


def _lacks(body: Mapping[str, Json], described: Mapping[str, Json] | None) -> str:
    said = body["principal"]
    if body.get("format", 1) < 2 and said["kind"] != "anonymous":
        return NEVER_RECORDED
    if description_of(said) is None or "claims" in (described or {}):
        return ""
    if described is None:
        return NOT_IN_RECORD
    return LIE_ELSEWHERE if "payload_omitted" in described else ERASED_CLAIMS
