"""All ways to prove who is calling, tried in order; whatever none of them knows is refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pydantic import field_validator

from callgate.identity.anonymous import AnonymousAuthenticator, AnonymousSettings
from callgate.identity.api_keys import ApiKeyAuthenticator, ApiKeySettings
from callgate.identity.bearer import unacceptable
from callgate.identity.fetching import Fetch
from callgate.identity.jwt import JwtAuthenticator, JwtSettings
from callgate.model import Json, Principal, Proof
from callgate.ports import Authenticator, Clock
from callgate.settings import Settings

HINT = "Present a bearer token or an API key."


class IdentitySettings(Settings):
    """How callers prove who they are. With nothing configured, every call is refused."""

    anonymous: AnonymousSettings | None = None
    """`true`, or id and groups: callers on this machine may come without a proof."""
    jwt: tuple[JwtSettings, ...] = ()
    """Issuers whose tokens are accepted."""
    api_keys: tuple[ApiKeySettings, ...] = ()
    """API keys that are accepted."""

    @field_validator("anonymous", mode="before", json_schema_input_type=bool | AnonymousSettings)
    @classmethod
    def _switch(cls, value: Json) -> Json:
        if isinstance(value, bool):
            return {} if value else None
        return value

    @field_validator("jwt")
    @classmethod
    def _nobody_can_name_anothers_users(
        cls, issuers: tuple[JwtSettings, ...]
    ) -> tuple[JwtSettings, ...]:
        _require_distinct("two entries have the issuer", [one.issuer for one in issuers])
        for one, other in itertools.permutations(issuers, 2):
            # Prefix-free, not just distinct: "a" + "bob" and "ab" + "ob" are the same id.
            if other.id_prefix.startswith(one.id_prefix):
                raise ValueError(
                    f"{one.issuer} could name the users of {other.issuer}; give each issuer an "
                    "`id_prefix` that is not the beginning of another's"
                )
        return issuers

    @field_validator("api_keys")
    @classmethod
    def _each_key_once(cls, keys: tuple[ApiKeySettings, ...]) -> tuple[ApiKeySettings, ...]:
        _require_distinct("two keys have the name", [key.name for key in keys])
        _require_distinct("two keys have the sha256", [key.sha256 for key in keys])
        return keys


class FirstThatKnows:
    """Implements Authenticator: asks each in turn; the first that knows the proof decides."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self.authenticators = tuple(authenticators)
        self._to_close = {one for one in authenticators if isinstance(one, JwtAuthenticator)}

    async def authenticate(self, proof: Proof) -> Principal:
        """The principal. Raises Refused: nobody passes unknown."""
        if proof.authorization is not None and proof.api_key is not None:
            raise unacceptable(
                "Present a bearer token or an API key, not both.",
                "both Authorization and X-API-Key were presented",
            )
        for authenticator in self.authenticators:
            principal = await authenticator.authenticate(proof)
            if principal is not None:
                return principal
        if proof.authorization is None and proof.api_key is None:
            raise unacceptable(HINT, "no proof was presented, and anonymous access is off")
        raise unacceptable(
            "The presented proof is not one this gateway accepts. " + HINT,
            "no configured issuer or API key knows the presented "
            + ("API key" if proof.api_key is not None else "Authorization header"),
        )

    def hand_over(self, settings: JwtSettings) -> JwtAuthenticator | None:
        """The authenticator with exactly these settings, if it may live on in another chain."""
        for one in self.authenticators:
            if isinstance(one, JwtAuthenticator) and one.settings == settings and one.is_published:
                self._to_close.discard(one)
                return one
        return None

    async def close(self) -> None:
        """Ends what runs in the background, and was not handed over."""
        for authenticator in self._to_close:
            await authenticator.close()


def build_authenticator(
    settings: IdentitySettings, clock: Clock, fetch: Fetch, like: FirstThatKnows | None = None
) -> FirstThatKnows:
    """The authenticators that the settings ask for, as one. Raises IssuerError.

    `like` is the chain that this one replaces: keys it knows stay known, so that a reload while an
    issuer is down locks nobody out.
    """
    found: list[Authenticator] = []
    if settings.api_keys:
        found.append(ApiKeyAuthenticator(settings.api_keys, clock))
    for issuer in settings.jwt:
        known = like.hand_over(issuer) if like is not None else None
        found.append(known or JwtAuthenticator(issuer, clock, fetch))
    if settings.anonymous is not None:
        found.append(AnonymousAuthenticator(settings.anonymous))
    return FirstThatKnows(found)


def _require_distinct(problem: str, texts: list[str]) -> None:
    for text in texts:
        if texts.count(text) > 1:
            raise ValueError(f"{problem} {text}; keep one")
