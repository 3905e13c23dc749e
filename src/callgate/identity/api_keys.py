"""API keys: long random strings that stand for a principal, stored as digests."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from callgate.identity.bearer import bearer_token, unacceptable
from callgate.identity.naming import Name
from callgate.model import Json, Principal, Proof
from callgate.ports import Clock
from callgate.settings import Settings

PREFIX = "cgk_"
SECRET_BYTES = 32
KEY_CHARACTERS = len(PREFIX) + 43  # 32 bytes in unpadded base64url


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be 64 lower-case hex digits; `callgate key new` prints them")
    return text


class ApiKeySettings(Settings):
    """One API key. Take it out of the list to revoke it; `callgate key new` makes one."""

    name: Name
    """What operators call this key; policies read it as the claim `api_key`."""
    sha256: Annotated[str, AfterValidator(_digest)]
    """SHA-256 of the whole key, in lower-case hex."""
    principal: Name
    """Id of the principal that whoever presents the key is taken for."""
    groups: tuple[Name, ...] = ()
    """Groups it is a member of."""
    tenant: Name | None = None
    """Tenant it belongs to."""
    agent: Name | None = None
    """Id of the agent that uses the key on behalf of the principal."""
    expires_at: AwareDatetime | None = None
    """When the key stops working, as RFC 3339: `2027-01-31T00:00:00Z`. Never, where left out."""
    claims: dict[str, Json] = Field(default={})
    """Further facts about the principal, for policies to read as tags."""


class ApiKeyAuthenticator:
    """Implements Authenticator: knows `X-API-Key` and bearer tokens that begin with `cgk_`."""

    def __init__(self, keys: Iterable[ApiKeySettings], clock: Clock) -> None:
        self._clock = clock
        self._known = {key.sha256: (principal_of(key), _expiry(key), key.name) for key in keys}

    async def authenticate(self, proof: Proof) -> Principal | None:
        """The principal of the presented key; always the same object for the same key."""
        key = proof.api_key
        if key is None:
            key = bearer_token(proof)
            if key is None or not key.startswith(PREFIX):
                return None
        # Looked up by digest: how long that takes depends on bits the caller cannot choose.
        known = self._known.get(digest_of(key))
        if known is None:
            raise unacceptable("The API key is not known to this gateway.", _describe(key))
        principal, expires_at, name = known
        if expires_at is not None and self._clock.now() >= expires_at:
            raise unacceptable("The API key has expired.", f"the API key {name!r} has expired")
        return principal


def new_key() -> str:
    """A fresh key: `cgk_` and 256 random bits in base64url."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(key: str) -> str:
    """What is stored of a key.

    A plain hash is right here: 256 random bits cannot be guessed, so a slow, salted hash (for
    passwords) would protect nothing and cost every call.
    """
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def principal_of(key: ApiKeySettings) -> Principal:
    """Whom a key stands for."""
    return Principal(
        id=key.principal,
        issuer="callgate",
        kind="api_key",
        claims={**key.claims, "api_key": key.name},
        groups=key.groups,
        tenant=key.tenant,
        agent=key.agent,
    )


def _expiry(key: ApiKeySettings) -> float | None:
    return None if key.expires_at is None else key.expires_at.timestamp()


def _describe(key: str) -> str:
    if not key.startswith(PREFIX) or len(key) != KEY_CHARACTERS:
        return f"the presented API key is not of the form {PREFIX}<43 characters>"
    # Eight hex digits of the digest of 256 random bits: enough to find the key, not to guess it.
    return f"no configured API key has a sha256 that begins with {digest_of(key)[:8]}"
