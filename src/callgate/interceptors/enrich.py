"""The built-in that adds facts for policy: of claims, tables, hours, and other systems."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Self

from pydantic import Field, model_validator

from callgate.interceptors.enriching.lookups import Lookup, LookupSettings, subjects
from callgate.interceptors.enriching.subjects import read_subject
from callgate.interceptors.enriching.tables import (
    FactName,
    Facts,
    HoursSettings,
    MapSettings,
    Networks,
    NetworkSettings,
    Table,
)
from callgate.model import Json, read_claim
from callgate.ports import Clock
from callgate.scrutiny import Decision, Passive, Request
from callgate.settings import Settings


class EnrichSettings(Settings):
    """Where facts come from. The first that gives a fact counts, in the order of these settings;
    the types of facts stand under `enriches`."""

    claims: dict[FactName, str] = {}
    """Fact → the verified claim that it is; dots lead into objects (`org.level`)."""

    maps: tuple[MapSettings, ...] = ()
    """Facts by a key, such as the principal's groups or a customer in the arguments."""

    networks: tuple[NetworkSettings, ...] = ()
    """Facts by the network of an address, such as a country."""

    hours: tuple[HoursSettings, ...] = ()
    """Facts that hold within working hours."""

    lookups: tuple[LookupSettings, ...] = Field(default=(), max_length=16)
    """Facts of other systems over HTTP, all asked at once."""

    sums: dict[FactName, tuple[FactName, ...]] = {}
    """Fact → the integer facts whose sum it is, such as a risk of points; those that are absent
    count nothing. What is added up is no fact of its own for policy."""

    @model_validator(mode="after")
    def _gives_facts(self) -> Self:
        if not self.given:
            raise ValueError("name at least one of claims, maps, networks, hours and lookups")
        for fact, parts in self.sums.items():
            missing = sorted(set(parts) - self.given)
            if missing or fact in self.given:
                problem = f"{missing[0]} is no fact" if missing else "it is a fact of its own, too"
                raise ValueError(f"sums: {fact}: {problem}; choose another name")
        return self

    @property
    def given(self) -> frozenset[str]:
        """Every fact that it may find, sums apart."""
        found: set[str] = {*self.claims, *(one.fact for one in self.networks)}
        found.update(one.fact for one in self.hours)
        for table in self.maps:
            found.update(table.otherwise, *table.facts.values())
        return frozenset(found.union(*(one.facts for one in self.lookups)))

    @property
    def parts(self) -> frozenset[str]:
        """The facts that are only added up."""
        return frozenset(part for some in self.sums.values() for part in some)

    def problem(self, enriches: Mapping[str, str], headers: Collection[str]) -> str | None:
        """What is missing beside these settings: types of facts, headers to see."""
        untyped = sorted((self.given - self.parts | self.sums.keys()) - enriches.keys())
        if untyped:
            return f"`enriches`: name the type of the fact {untyped[0]}"
        named = [read_subject(one.by) for one in self.maps]
        named += [read_subject(one.address) for one in self.networks]
        named += [subject for one in self.lookups for subject in subjects(one.url)]
        unseen = sorted({one.header for one in named if one.header} - set(headers))
        return f"`headers`: name {unseen[0]} there, so that it is seen" if unseen else None


class Enrich(Passive):
    """Adds facts to requests. What fails fails the interceptor, which `on_failure` decides."""

    def __init__(self, settings: EnrichSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tables: list[Table | Networks] = [Table(one) for one in settings.maps]
        self._tables += [Networks(one) for one in settings.networks]
        self._lookups = [Lookup(one, clock.ticks) for one in settings.lookups]
        self._parts = settings.parts

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor."""
        facts: Facts = {}
        for fact, claim in self._settings.claims.items():
            _add(facts, {fact: read_claim(request.principal.claims, claim)})
        for table in self._tables:
            _add(facts, table.facts(request))
        for hours in self._settings.hours:
            _add(facts, {hours.fact: hours.hold(self._clock.now())})
        for found in await self._looked_up(request):
            _add(facts, found)
        for fact, parts in self._settings.sums.items():
            facts[fact] = _sum(fact, [facts[part] for part in parts if part in facts])
        kept = {fact: value for fact, value in facts.items() if fact not in self._parts}
        return Decision(enrich=kept) if kept else None

    async def _looked_up(self, request: Request) -> list[Facts]:
        if len(self._lookups) <= 1:
            return [await lookup.facts(request) for lookup in self._lookups]
        return list(await asyncio.gather(*(lookup.facts(request) for lookup in self._lookups)))

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        for lookup in self._lookups:
            await lookup.close()


def _add(facts: Facts, found: Facts) -> None:
    """Adds what is not there yet. An unknown value is an absent one."""
    for fact, value in found.items():
        if value is not None:
            facts.setdefault(fact, value)


def _sum(fact: str, parts: list[Json]) -> int:
    total = 0
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, int):
            raise TypeError(f"{fact}: a sum is made of integers, not of {type(part).__name__}")
        total += part
    return total
