"""Reads the bearer token out of a proof, and says in words what an unusable proof was."""

from __future__ import annotations

from callgate.model import Proof, Refused

MAX_TOKEN_BYTES = 16 << 10


def bearer_token(proof: Proof) -> str | None:
    """The token of `Authorization: Bearer <token>` (RFC 6750 §2.1); None where there is none.

    Raises Refused where it is larger than any token we would read.
    """
    authorization = proof.authorization
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    if len(token) > MAX_TOKEN_BYTES:
        raise Refused(
            "unauthenticated",
            "The bearer token is too large.",
            detail=f"the token has {len(token)} characters, more than {MAX_TOKEN_BYTES}",
        )
    return token.strip()


def unacceptable(reason: str, detail: str) -> Refused:
    """The refusal of a proof that does not hold. INVARIANT: neither text contains the proof."""
    return Refused("unauthenticated", reason, detail=detail)
