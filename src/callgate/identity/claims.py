"""Verified claims → a principal; and every reason why claims are not good enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from callgate.identity.bearer import unacceptable
from callgate.identity.naming import is_plain
from callgate.model import Json, Principal, Value, read_claim

_MEANT_FOR_OTHERS = "The token is not meant for this gateway."
_INCOMPLETE = "The token does not say who is calling in the way this gateway needs."


class ClaimRules(Value):
    """What the claims of one issuer must say, and where in them to look."""

    issuer: str
    audience: tuple[str, ...]  # none: tokens that name one are for others
    allowed_clients: tuple[str, ...]  # none: any
    required_scopes: frozenset[str]
    clock_skew_seconds: float
    groups_claim: str
    tenant_claim: str | None
    agent_claims: tuple[str, ...]
    id_prefix: str


def check_claims(claims: dict[str, Json], rules: ClaimRules, now: float) -> float:
    """Checks issuer, audience, lifetime and scopes; the instant at which the claims expire.

    Raises Refused(`unauthenticated`). RFC 7519 §4.1, RFC 9068 §4.
    """
    if claims.get("iss") != rules.issuer:
        raise unacceptable(_MEANT_FOR_OTHERS, f"wrong issuer: expected {rules.issuer}")
    if rules.audience or claims.get("aud") is not None:
        _check_audience(claims.get("aud"), rules.audience)
    if rules.allowed_clients:
        _check_client(claims, rules.allowed_clients)
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise unacceptable("The token never expires; that is not accepted.", "no exp claim")
    expires_at += rules.clock_skew_seconds
    if now >= expires_at:
        late = now - expires_at + rules.clock_skew_seconds
        raise unacceptable("The token has expired.", f"expired {late:.0f} s ago")
    begins_at = _instant(claims, "nbf")
    if begins_at is not None and now < begins_at - rules.clock_skew_seconds:
        early = begins_at - now
        raise unacceptable("The token is not valid yet.", f"valid only in {early:.0f} s (nbf)")
    _instant(claims, "iat")
    _check_scopes(claims, rules.required_scopes)
    return expires_at


def principal_of(claims: dict[str, Json], rules: ClaimRules) -> Principal:
    """The principal that checked claims speak of. Raises Refused(`unauthenticated`)."""
    subject = _name(claims, "sub")
    if subject is None:
        raise unacceptable(_INCOMPLETE, "no sub claim")
    tenant = None
    if rules.tenant_claim is not None:
        tenant = _name(claims, rules.tenant_claim)
        if tenant is None:  # without it, one tenant's rules could be applied to another
            raise unacceptable(_INCOMPLETE, f"no {rules.tenant_claim} claim (tenant_claim)")
    agents = (_name(claims, name) for name in rules.agent_claims)
    return Principal(
        id=rules.id_prefix + subject,
        issuer=rules.issuer,
        kind="jwt",
        claims=claims,
        groups=_groups(claims, rules.groups_claim),
        tenant=tenant,
        agent=next((agent for agent in agents if agent is not None), None),
    )


def _check_audience(present: Json, expected: Sequence[str]) -> None:
    audiences = [present] if isinstance(present, str) else present
    if not isinstance(audiences, list) or not set(expected).intersection(
        item for item in audiences if isinstance(item, str)
    ):
        wanted = " or ".join(expected) or "none (no `audience` is configured)"
        raise unacceptable(_MEANT_FOR_OTHERS, f"wrong audience: expected {wanted}")


def _check_client(claims: dict[str, Json], allowed: Sequence[str]) -> None:
    """`client_id` (RFC 9068 §2.2) says it, else `azp`."""
    client = claims.get("client_id", claims.get("azp"))
    if client not in allowed:
        wanted = " or ".join(allowed)
        raise unacceptable(_MEANT_FOR_OTHERS, f"wrong client: expected {wanted} (client_id or azp)")


def _check_scopes(claims: dict[str, Json], required: frozenset[str]) -> None:
    if not required:
        return
    present: set[Any] = set()
    for name in ("scope", "scp"):  # RFC 8693 §4.2; the second is what Entra and Okta write
        value = claims.get(name)
        if isinstance(value, str):
            present.update(value.split())
        elif isinstance(value, list):
            present.update(item for item in value if isinstance(item, str))
    missing = sorted(required - present)
    if missing:
        names = " ".join(missing)
        refused = unacceptable(f"The token lacks the scope {names}.", f"missing scope: {names}")
        refused.data = {"missing_scopes": missing}
        raise refused


def _instant(claims: dict[str, Json], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise unacceptable("The token is malformed.", f"{name} is not a number")
    return float(value)


def _name(claims: dict[str, Json], name: str) -> str | None:
    value = read_claim(claims, name)
    if value is None:
        return None
    if not isinstance(value, str) or not is_plain(value):
        raise unacceptable(_INCOMPLETE, f"{name} is not a plain string")
    return value


def _groups(claims: dict[str, Json], name: str) -> tuple[str, ...]:
    """A string is exactly one group: split at spaces, `Domain Admins` would become two others.

    Groups that cannot be read refuse the token: without them, a forbid for a group would be lost.
    """
    value = read_claim(claims, name)
    if value is None:
        elsewhere = claims.get("_claim_names")  # OpenID Connect Core §5.6.2; Entra's group overage
        if isinstance(elsewhere, dict) and name in elsewhere:
            raise unacceptable(
                _INCOMPLETE, f"the issuer left {name} out (too many): have it send fewer groups"
            )
        return ()
    groups = [value] if isinstance(value, str) else value
    if not isinstance(groups, list) or not all(
        isinstance(group, str) and is_plain(group) for group in groups
    ):
        raise unacceptable(_INCOMPLETE, f"{name} is not a string or a list of strings")
    return tuple(dict.fromkeys(groups))
