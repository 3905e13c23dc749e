"""JSON Web Tokens: verifies offline, with the issuer's keys, who an issuer says is calling."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Literal, Self

from jwt.utils import base64url_decode
from pydantic import AfterValidator, Field, SecretStr, model_validator

from callgate.identity.bearer import bearer_token, unacceptable
from callgate.identity.claims import ClaimRules, check_claims, principal_of
from callgate.identity.fetching import Fetch, FetchError, require_fetchable
from callgate.identity.issuers import FixedKeys, KeySource, Publication, PublishedKeys
from callgate.identity.naming import is_plain
from callgate.identity.signing_keys import (
    SECRET_BYTES,
    read_key_file,
    secret_keys,
    signed_payload,
)
from callgate.model import Json, Principal, Proof, Value
from callgate.ports import Clock
from callgate.protocol.jsonrpc import Malformed, parse_json
from callgate.settings import Settings

VERIFIED_SECONDS = 300.0  # that a verified token is believed without looking again
MAX_VERIFIED = 4096
MAX_CLAIMS_DEPTH = 16
ACCESS_TOKEN_TYPES = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "HS256", "HS384", "HS512",
]  # fmt: skip


def _fetchable(url: str) -> str:
    try:
        require_fetchable(url)
    except FetchError as error:
        raise ValueError(str(error)) from None
    return url


def _prefix(text: str) -> str:
    if text and not is_plain(text):
        raise ValueError("must not contain control characters")
    return text


Url = Annotated[str, AfterValidator(_fetchable)]


class JwtSettings(Settings):
    """One issuer whose tokens are accepted as `Authorization: Bearer <JWT>`."""

    issuer: Url
    """The `iss` claim, exactly. Its metadata is looked up there unless keys are given below."""
    audience: tuple[str, ...] = ()
    """Values of the `aud` claim that mean this gateway; a token must carry one of them. Only where
    `allowed_clients` is set may it be left out: then no token may carry an `aud`."""
    allowed_clients: tuple[str, ...] = ()
    """Clients whose tokens are accepted, by `client_id`, or `azp` where a token has none; any where
    left out. For issuers whose access tokens have no `aud`, such as Amazon Cognito."""
    jwks_url: Url | None = None
    """Where the issuer publishes its keys, if it has no metadata."""
    jwks_file: Path | None = None
    """A JWK Set on disk, for issuers that cannot be reached."""
    secret: SecretStr | None = None
    """A shared secret for HS256, HS384 or HS512. A reference, never the text."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256", "EdDSA")
    """Signature algorithms that are accepted."""
    required_scopes: tuple[str, ...] = ()
    """Scopes that every token must carry in `scope` or `scp`."""
    clock_skew_seconds: Annotated[float, Field(ge=0, le=300)] = 30.0
    """How far the issuer's clock and ours may be apart."""
    groups_claim: str = "groups"
    """Claim with the groups: a list, or a string that is one group. Dots lead into objects."""
    tenant_claim: str | None = None
    """Claim with the tenant. Where set, a token without it is refused."""
    agent_claims: tuple[str, ...] = ("act.sub", "azp", "client_id")
    """Claims that may name the agent; the first one present does."""
    id_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    """Put before `sub` to make the principal's id: no issuer can name another's users."""
    keys_max_age_seconds: Annotated[float, Field(ge=10)] = 600.0
    """When published keys are read again."""
    keys_grace_seconds: Annotated[float, Field(ge=0, le=86400)] = 3600.0
    """How long keys beyond that age are still used while the issuer cannot be reached."""

    @model_validator(mode="after")
    def _is_meant_for_somebody(self) -> Self:
        if not self.audience and not self.allowed_clients:
            raise ValueError("name the `audience` that tokens must carry, or `allowed_clients`")
        return self

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        sources = {"jwks_url": self.jwks_url, "jwks_file": self.jwks_file, "secret": self.secret}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}; keep one source of keys")
        symmetric = [name for name in self.algorithms if name in SECRET_BYTES]
        if self.secret is None:
            if symmetric:
                raise ValueError(f"{', '.join(symmetric)} needs `secret`; add it or take it out")
            return self
        if len(symmetric) < len(self.algorithms):
            # One key must never be read both as a public key and as a secret (RFC 8725 §2.1).
            raise ValueError("with `secret`, `algorithms` may list HS256, HS384 and HS512 only")
        needed = max(SECRET_BYTES[name] for name in symmetric)
        if len(self.secret.get_secret_value().encode()) < needed:
            raise ValueError(f"`secret` must have at least {needed} bytes for these algorithms")
        return self


class _Token(Value):
    """What an unverified token says of itself."""

    algorithm: str
    key_id: str | None
    claims: dict[str, Json]
    payload: bytes  # what the claims were read from


class _Verified(Value):
    principal: Principal
    expires_at: float
    usable_until: float  # tick


class JwtAuthenticator:
    """Implements Authenticator: knows bearer tokens that are JWTs of its issuer.

    A verified token is believed for `VERIFIED_SECONDS` (never beyond its expiry, or the life of
    the keys that verified it): the same Principal object is returned, at the price of one SHA-256.
    """

    def __init__(self, settings: JwtSettings, clock: Clock, fetch: Fetch) -> None:
        """Raises IssuerError where `jwks_file` cannot be used. Fetches nothing yet."""
        self.settings = settings
        self._clock = clock
        self._keys = _key_source(settings, clock, fetch)
        self._algorithms = frozenset(settings.algorithms)
        self._rules = ClaimRules(
            issuer=settings.issuer,
            audience=settings.audience,
            allowed_clients=settings.allowed_clients,
            required_scopes=frozenset(settings.required_scopes),
            clock_skew_seconds=settings.clock_skew_seconds,
            groups_claim=settings.groups_claim,
            tenant_claim=settings.tenant_claim,
            agent_claims=settings.agent_claims,
            id_prefix=settings.id_prefix,
        )
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._verified_with = self._keys.digest

    async def authenticate(self, proof: Proof) -> Principal | None:
        """The principal that the token speaks of; None for anything but a JWT of this issuer."""
        token = bearer_token(proof)
        if token is None or token.count(".") != 2:
            return None
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._remembered(digest)
        if known is not None:
            return known
        unverified = _read(token)
        if unverified.claims.get("iss") != self._rules.issuer:
            return None  # the chain refuses it if no other issuer's authenticator knows it
        claims = await self._checked(token, unverified)
        expires_at = check_claims(claims, self._rules, self._clock.now())
        principal = principal_of(claims, self._rules)
        self._remember(digest, principal, expires_at)
        return principal

    @property
    def is_published(self) -> bool:
        """Whether the keys are learnt over the network, and change without the configuration."""
        return isinstance(self._keys, PublishedKeys)

    async def close(self) -> None:
        """Ends what runs in the background."""
        await self._keys.close()

    async def _checked(self, token: str, unverified: _Token) -> dict[str, Json]:
        """The claims of a token whose signature holds."""
        algorithm = unverified.algorithm
        if algorithm not in self._algorithms:
            raise unacceptable(
                "The token is signed in a way this gateway does not accept.",
                f"algorithm {algorithm[:40]!r} is not one of {', '.join(sorted(self._algorithms))}",
            )
        keys = await self._keys.find(unverified.key_id, algorithm)
        if not keys:
            raise unacceptable(
                "The token is not signed by a key of its issuer.",
                f"unknown key: {unverified.key_id!r:.80} for {algorithm}",
            )
        # INVARIANT: the claims we go by were read from the very bytes that were signed.
        if signed_payload(token, keys, algorithm) != unverified.payload:
            raise unacceptable("The token is not signed by a key of its issuer.", "bad signature")
        return unverified.claims

    def _remembered(self, digest: bytes) -> Principal | None:
        self._forget_if_keys_changed()
        known = self._verified.get(digest)
        if known is None:
            return None
        if self._clock.now() >= known.expires_at or self._clock.ticks() >= known.usable_until:
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return known.principal

    def _remember(self, digest: bytes, principal: Principal, expires_at: float) -> None:
        self._forget_if_keys_changed()
        usable_until = min(self._clock.ticks() + VERIFIED_SECONDS, self._keys.usable_until)
        self._verified[digest] = _Verified(
            principal=principal, expires_at=expires_at, usable_until=usable_until
        )
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)

    def _forget_if_keys_changed(self) -> None:
        if self._verified_with != self._keys.digest:
            self._verified.clear()
            self._verified_with = self._keys.digest


def _read(token: str) -> _Token:
    """Reads a token without believing it. Raises Refused where it is not a readable JWT."""
    header_segment, payload_segment, _ = token.split(".")
    header, _ = _object(header_segment, "header")
    claims, payload = _object(payload_segment, "claims")
    key_id, algorithm, of_type = header.get("kid"), header.get("alg"), header.get("typ")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None) or "crit" in header:
        raise unacceptable("The token is malformed.", "its header has no usable alg, kid or crit")
    if (of_type.lower() if isinstance(of_type, str) else of_type) not in ACCESS_TOKEN_TYPES:
        # RFC 8725 §3.11: a logout token or a DPoP proof of the same issuer is no access token.
        raise unacceptable("The token is not an access token.", f"its typ is {of_type!r:.80}")
    return _Token(algorithm=algorithm, key_id=key_id, claims=claims, payload=payload)


def _object(segment: str, part: str) -> tuple[dict[str, Json], bytes]:
    """The JSON object in a segment. Duplicate keys and odd numbers are refused (RFC 8725 §3.7)."""
    try:
        text = base64url_decode(segment)
        value = parse_json(text, max_depth=MAX_CLAIMS_DEPTH)
    except ValueError:
        raise unacceptable("The token is malformed.", f"its {part} is not base64url") from None
    except Malformed as error:
        raise unacceptable("The token is malformed.", f"its {part}: {error.reason}") from None
    if not isinstance(value, dict):
        raise unacceptable("The token is malformed.", f"its {part} is not a JSON object")
    return value, text


def _key_source(settings: JwtSettings, clock: Clock, fetch: Fetch) -> KeySource:
    if settings.secret is not None:
        return FixedKeys(secret_keys(settings.secret.get_secret_value(), settings.algorithms))
    if settings.jwks_file is not None:
        return FixedKeys(read_key_file(settings.jwks_file, settings.algorithms))
    publication = Publication(
        issuer=settings.issuer,
        algorithms=settings.algorithms,
        jwks_url=settings.jwks_url,
        max_age_seconds=settings.keys_max_age_seconds,
        grace_seconds=settings.keys_grace_seconds,
    )
    return PublishedKeys(publication, clock, fetch)
