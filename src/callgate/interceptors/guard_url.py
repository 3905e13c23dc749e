"""The guard for URLs: one reading, a host that may be reached, addresses that are public (SSRF)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated, Literal, Self

import ada_url
from pydantic import AfterValidator, Field, field_validator, model_validator

from callgate.interceptors.fields import Place
from callgate.interceptors.guarding.addresses import (
    MAX_ADDRESSES,
    MAX_LOOKUPS,
    Address,
    Resolver,
    SystemResolver,
    is_public,
    read_address,
)
from callgate.interceptors.guarding.guards import Changes, Guard, GuardSettings, Naming, Objection
from callgate.model import Value
from callgate.policy.readings import MAX_URL_CHARACTERS, Facts, read

MAX_HOSTS = 100  # of one call

_WANTED = frozenset(("scheme", "host", "port", "domain", "ip", "has_userinfo", "is_ambiguous"))


_NOT_IN_NAMES = frozenset("/\\@?#*")  # what a host's name does not hold


def _host_pattern(text: str) -> str:
    """`api.example.com`, `*.example.com` or an address, in the form in which hosts are compared."""
    wild, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    found = read(f"http://[{name}]/" if ":" in name else f"http://{name}/", {"host", "ip"})
    if "host" not in found or (wild and "ip" in found) or not _NOT_IN_NAMES.isdisjoint(name):
        raise ValueError(f"{text!r} is no host; write api.example.com or *.example.com")
    return wild + str(found["host"])


def _network(text: str) -> str:
    ip_network(text)
    return text


HostPattern = Annotated[str, AfterValidator(_host_pattern)]
Network = Annotated[str, AfterValidator(_network)]


class GuardUrlSettings(GuardSettings):
    """Which URLs a target may be given."""

    schemes: frozenset[str] = frozenset(("https",))
    """The schemes that may be used."""

    hosts: tuple[HostPattern, ...] | None = None
    """Only these hosts: `api.example.com`, or `*.example.com` for every name under it; any where
    left out."""

    domains: tuple[str, ...] | None = None
    """Only hosts of these registered domains, `example.co.uk` and all under it; besides `hosts`."""

    refuse_hosts: tuple[HostPattern, ...] = ()
    """Hosts that may not be used all the same, written as in `hosts`."""

    ports: frozenset[Annotated[int, Field(ge=1, le=65_535)]] = frozenset((80, 443))
    """The ports that may be used."""

    resolve: bool = True
    """Look the host up, and refuse where any of its addresses is not public."""

    networks: tuple[Network, ...] = ()
    """Networks that may be reached although they are not public, such as `10.20.0.0/16`."""

    resolve_seconds: float = Field(default=2.0, gt=0, le=30)
    """How long a lookup may take; then the call is refused."""

    mode: Literal["check", "rewrite", "pin"] = "check"
    """`check`: URLs go on as they are. `rewrite`: in the one form that all readers agree on.
    `pin`: with the checked address in the place of the host's name; only for `schemes: [http]`,
    since a certificate is not for an address, and only for servers that know no other host."""

    @field_validator("domains")
    @classmethod
    def _registered(cls, domains: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for domain in domains or ():
            if read(f"http://{domain}/", {"domain"}).get("domain") != domain:
                raise ValueError(f"{domain!r} is no registered domain, such as example.com")
        return domains

    @model_validator(mode="after")
    def _can_pin(self) -> Self:
        if self.mode == "pin" and (self.schemes != {"http"} or not self.resolve):
            raise ValueError("`mode: pin` needs `schemes: [http]` and `resolve: true`")
        return self


class _Seen(Value):
    """A URL that is fit to be used, as far as its text tells."""

    host: str
    ip: str | None
    plain: str  # as the WHATWG standard writes it


class GuardUrl(Guard):
    """Refuses URLs that lead, or that some reader takes to lead, where a target must not go."""

    def __init__(self, settings: GuardUrlSettings, resolver: Resolver | None = None) -> None:
        super().__init__(settings)
        self._settings = settings
        self._resolver = resolver or SystemResolver()
        self._networks = tuple(ip_network(text) for text in settings.networks)
        self._turns = asyncio.Semaphore(MAX_LOOKUPS)

    async def look_at_all(self, found: Mapping[Place, str]) -> Changes:
        """See Guard. Each host is looked up once, all of them at the same time."""
        seen = await self.in_time(found, lambda: self._read_all(found))
        addresses = await self._look_up(seen)
        changes = {}
        for place, url in seen.items():
            with Naming(place):
                new = self._written(found[place], url, addresses.get(url.host, ()))
            if new != found[place]:
                changes[place] = new
        return changes

    def _read_all(self, found: Mapping[Place, str]) -> dict[Place, _Seen]:
        """Raises Refusal."""
        seen: dict[Place, _Seen] = {}
        for place, text in found.items():
            with Naming(place):
                seen[place] = self._read(text)
                self._check_literal(seen[place])
        return seen

    def _read(self, text: str) -> _Seen:
        """Raises Objection for what is no URL that may be used."""
        if len(text) > MAX_URL_CHARACTERS:
            raise Objection(f"is longer than {MAX_URL_CHARACTERS} characters")
        if not text.isprintable():
            raise Objection("holds a character that cannot be seen")
        facts = read(text, _WANTED)
        if facts.get("is_ambiguous"):
            raise Objection("is a URL that programs read in different ways; write it plainly")
        scheme = facts.get("scheme")
        if scheme not in self._settings.schemes:
            schemes = ", ".join(sorted(self._settings.schemes))
            raise Objection(f"must be a whole URL that starts with one of {schemes}")
        if "host" not in facts:
            raise Objection("is a URL without a host")
        if facts.get("has_userinfo"):
            raise Objection("holds a name or a password before its host; leave it out")
        if facts.get("port") not in self._settings.ports:
            raise Objection("uses a port that may not be used")
        self._check_host(facts)
        ip = facts.get("ip")
        return _Seen(host=str(facts["host"]), ip=ip and str(ip), plain=ada_url.URL(text).href)

    def _check_host(self, facts: Facts) -> None:
        host, settings = str(facts["host"]), self._settings
        if _matches(host, settings.refuse_hosts):
            raise Objection(f"leads to {host[:80]}, which may not be used")
        if settings.hosts is None and settings.domains is None:
            return
        if _matches(host, settings.hosts or ()):
            return
        if facts.get("domain") in (settings.domains or ()):
            return
        raise Objection(f"leads to {host[:80]}, which is not among the hosts that may be used")

    def _check_literal(self, url: _Seen) -> None:
        """An address in the URL needs no lookup, and is checked in any case. Raises Objection."""
        if url.ip is not None:
            self._check_addresses(url.host, (url.host, url.ip))

    async def _look_up(self, seen: Mapping[Place, _Seen]) -> Mapping[str, Sequence[str]]:
        """The addresses of every host that is a name. Raises Refusal."""
        places = {url.host: place for place, url in seen.items() if url.ip is None}
        if not self._settings.resolve:
            return {}
        if len(places) > MAX_HOSTS:
            with Naming(next(iter(seen))):
                raise Objection(f"is one of more than {MAX_HOSTS} hosts in one call")
        if len(places) == 1:
            (host, place), *_ = places.items()
            return {host: await self._addresses(host, place)}
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    host: group.create_task(self._addresses(host, place))
                    for host, place in places.items()
                }
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return {host: task.result() for host, task in tasks.items()}

    async def _addresses(self, host: str, place: Place) -> Sequence[str]:
        """The addresses of one name, all of them fit. Raises Refusal."""
        with Naming(place):
            try:
                async with asyncio.timeout(self._settings.resolve_seconds), self._turns:
                    found = await self._resolver.addresses(host)
            except (OSError, UnicodeError):  # a timeout is an OSError
                raise Objection(f"leads to {host[:80]}, which could not be looked up") from None
            self._check_addresses(host, found)
        return found

    def _check_addresses(self, host: str, found: Sequence[str]) -> None:
        """Every one of them must be fit: the target may use any. Raises Objection."""
        if not 0 < len(found) <= MAX_ADDRESSES:
            raise Objection(f"leads to {host[:80]}, which could not be looked up")
        for text in found:
            if not self._is_fit(read_address(text)):
                raise Objection(f"leads to {host[:80]}, which is not on the public Internet")

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        await super().close()
        self._resolver.close()

    def _is_fit(self, address: Address) -> bool:
        return is_public(address, self._networks)

    def _written(self, text: str, url: _Seen, addresses: Sequence[str]) -> str:
        mode = self._settings.mode
        if mode == "check":
            return text
        if mode == "rewrite" or not addresses:
            return url.plain
        chosen = read_address(next((one for one in addresses if ":" not in one), addresses[0]))
        pinned = ada_url.URL(url.plain)
        pinned.hostname = str(chosen) if chosen.version == 4 else f"[{chosen}]"
        return pinned.href


def _matches(host: str, patterns: Sequence[str]) -> bool:
    return any(
        host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
        for pattern in patterns
    )
