"""Learns an issuer's keys and keeps them fresh, whether the issuer is up, down, slow or lying."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol
from urllib.parse import urlsplit

import jwt

from callgate.identity.fetching import Fetch, FetchError, require_fetchable
from callgate.identity.signing_keys import IssuerError, Keys, read_document, read_keys
from callgate.model import Refused, Value
from callgate.ports import Clock
from callgate.protocol.origins import is_loopback

SPACING_SECONDS = 10.0  # between two attempts to learn the keys, whatever tokens claim
WAIT_SECONDS = 5.0  # that a call waits for keys it cannot do without


class KeySource(Protocol):
    """Where the keys of one issuer come from."""

    @property
    def digest(self) -> bytes:
        """Changes when any key does."""

    @property
    def usable_until(self) -> float:
        """The tick at which what was verified with these keys must be verified again."""

    async def find(self, key_id: str | None, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """The keys that fit; none where the issuer has none. Raises Refused."""

    async def close(self) -> None:
        """Ends what runs in the background."""


class FixedKeys:
    """Keys from a file or a shared secret: they change with the configuration only."""

    usable_until = math.inf

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.digest = keys.digest

    async def find(self, key_id: str | None, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """The keys that fit."""
        return self._keys.find(key_id, algorithm)

    async def close(self) -> None:
        """Nothing runs."""


class Publication(Value):
    """Where an issuer publishes its keys, and how long they are good for."""

    issuer: str
    algorithms: tuple[str, ...]
    jwks_url: str | None = None  # None: discovered from the issuer
    max_age_seconds: float = 600.0
    grace_seconds: float = 3600.0


class PublishedKeys:
    """Keys that an issuer publishes.

    Failure policy. Issuer down, slow or lying: the keys known so far are used for `grace_seconds`
    beyond their age limit, so that a restart of the issuer stops nobody; after that, or where no
    keys are known yet, Refused(`identity_unavailable`). Never an unverified token.
    """

    def __init__(self, publication: Publication, clock: Clock, fetch: Fetch) -> None:
        self._publication = publication
        self._clock = clock
        self._fetch = fetch
        self._keys: Keys | None = None
        self._learnt_at = -math.inf
        self._attempted_at = -math.inf
        self._fault = "not asked yet"
        self._learning: asyncio.Future[None] | None = None

    @property
    def digest(self) -> bytes:
        """Changes when any key does."""
        return self._keys.digest if self._keys else b""

    @property
    def usable_until(self) -> float:
        """The tick at which the keys known now stop being good."""
        publication = self._publication
        return self._learnt_at + publication.max_age_seconds + publication.grace_seconds

    async def find(self, key_id: str | None, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """The keys that fit. A key id not seen before makes the issuer be asked again, rarely."""
        found = (await self._usable()).find(key_id, algorithm)
        if not found and self._may_learn():
            await self._learn()
            found = (await self._usable()).find(key_id, algorithm)
        return found

    async def close(self) -> None:
        """Stops asking."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.gather(self._learning, return_exceptions=True)

    async def _usable(self) -> Keys:
        ticks = self._clock.ticks()
        if ticks < self._learnt_at + self._publication.max_age_seconds and self._keys:
            return self._keys
        if self._may_learn():
            self._begin_learning()
        if ticks >= self.usable_until or self._keys is None:
            await self._learn()
        if self._keys is None or self._clock.ticks() >= self.usable_until:
            raise Refused(
                "identity_unavailable",
                "Who is calling cannot be checked right now; try again later.",
                detail=f"the keys of {self._publication.issuer} are not known: {self._fault}",
            )
        return self._keys

    def _may_learn(self) -> bool:
        if self._learning is not None and not self._learning.done():
            return True
        return self._clock.ticks() >= self._attempted_at + SPACING_SECONDS

    def _begin_learning(self) -> asyncio.Future[None]:
        if self._learning is None or self._learning.done():
            self._attempted_at = self._clock.ticks()
            # Owned here, one at a time, ended by close(): a caller that hangs up must not stop
            # what other callers wait for.
            self._learning = asyncio.ensure_future(self._ask())
        return self._learning

    async def _learn(self) -> None:
        """Waits for the attempt under way, or for a new one where one is due; not for long."""
        if not self._may_learn():
            return
        learning = self._begin_learning()
        await asyncio.wait([learning], timeout=WAIT_SECONDS)

    async def _ask(self) -> None:
        try:
            keys = await self._published()
        except (FetchError, IssuerError) as error:
            self._fault = str(error)
        else:
            self._keys = keys
            self._learnt_at = self._clock.ticks()

    async def _published(self) -> Keys:
        url = self._publication.jwks_url or await self._discovered()
        return read_keys(await self._read(url), self._publication.algorithms)

    async def _discovered(self) -> str:
        """The `jwks_uri` of the issuer's metadata (OpenID Connect Discovery; RFC 8414)."""
        issuer = self._publication.issuer
        for url in metadata_urls(issuer):
            status, body = await self._fetch(url)
            if status != 200:
                continue
            metadata = read_document(body)
            # INVARIANT: metadata speaks only for the issuer it names (RFC 8414 §3.3).
            if metadata.get("issuer") != issuer:
                raise IssuerError(f"{url} does not name {issuer} as its issuer")
            found = metadata.get("jwks_uri")
            if not isinstance(found, str):
                raise IssuerError(f"{url} names no jwks_uri")
            _require_as_safe(found, issuer)
            return found
        raise IssuerError(f"{issuer} publishes no metadata; set jwks_url or jwks_file")

    async def _read(self, url: str) -> bytes:
        status, body = await self._fetch(url)
        if status != 200:
            raise IssuerError(f"{url} answered with HTTP status {status}")
        return body


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may be: OpenID Connect Discovery §4, then RFC 8414 §3.1."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def _require_as_safe(url: str, issuer: str) -> None:
    require_fetchable(url)
    local = is_loopback(urlsplit(url).hostname or "")
    if local and not is_loopback(urlsplit(issuer).hostname or ""):
        raise IssuerError("its metadata points to this machine for the keys")
