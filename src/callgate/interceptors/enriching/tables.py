"""Facts that stand in the configuration: by a key, by a network, by the hour of the week."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from callgate.interceptors.enriching.subjects import Named, read_subject, written
from callgate.model import Json
from callgate.scrutiny import Request
from callgate.settings import Settings

FactName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Fact = str | int | float | bool | tuple[str, ...]
Facts = dict[str, Json]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Network = IPv4Network | IPv6Network


class MapSettings(Settings):
    """Facts by a key."""

    by: Named
    """What the key is: `principal.id`, `principal.groups`, `claim:org.unit`, `argument:$.customer`,
    `header:x-country`. Of several values, the key counts that stands first in the map."""

    facts: dict[str, dict[FactName, Fact]]
    """Key → facts. Numbers as keys are written as texts."""

    otherwise: dict[FactName, Fact] = {}
    """The facts where no key fits, or there is no value."""


class NetworkSettings(Settings):
    """One fact by the network that an address belongs to."""

    fact: FactName
    """Its name."""

    address: Named
    """Where the address stands: a claim, an argument, a header. Headers say what the last proxy
    says: name one only where a proxy of yours sets it."""

    networks: dict[str, Fact]
    """Network (`10.0.0.0/8`, `2001:db8::/32`) → the fact. The narrowest network counts."""

    otherwise: Fact | None = None
    """The fact where no network holds the address, or there is none; null: it is absent."""

    @field_validator("networks")
    @classmethod
    def _reads(cls, networks: dict[str, Fact]) -> dict[str, Fact]:
        for text in networks:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"{error}; write a network as 10.0.0.0/8") from None
        return networks


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problem = f"{name}: no time zone of this name; write one as Europe/Berlin"
        raise ValueError(f"{problem}, and install tzdata where the system has none") from None
    return name


def _quoted(value: Any) -> Any:
    if isinstance(value, (str, time)):
        return value
    raise ValueError('write a time in quotes, such as "08:30": YAML reads 08:30 as a number')


Clock = Annotated[time, BeforeValidator(_quoted)]


class HoursSettings(Settings):
    """A fact that is true within some hours of some days, and false else."""

    fact: FactName
    """Its name; its type is `boolean`."""

    timezone: Annotated[str, AfterValidator(_zone)]
    """Where the hours are meant, such as `Europe/Berlin`."""

    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    """The days on which the hours begin."""

    start: Clock = Field(alias="from", default=time(9))
    """When they begin, such as "08:30"."""

    end: Clock = Field(alias="to", default=time(17))
    """When they end, themselves not counted; at or before `from`: on the next day."""

    holidays: frozenset[date] = frozenset()
    """Days on which they do not begin."""

    @model_validator(mode="after")
    def _plain(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("write `from` and `to` without a time zone; `timezone` says which")
        return self

    def hold(self, now: float) -> bool:
        """Whether it is within the hours at this instant."""
        there = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(self.timezone))
        today, clock = there.date(), there.time()
        if self.start < self.end:
            return self._begins_on(today) and self.start <= clock < self.end
        if clock >= self.start:
            return self._begins_on(today)
        return clock < self.end and self._begins_on(today - timedelta(days=1))

    def _begins_on(self, day: date) -> bool:
        return DAYS[day.weekday()] in self.days and day not in self.holidays


class Table:
    """Facts by a key."""

    def __init__(self, settings: MapSettings) -> None:
        self._subject = read_subject(settings.by)
        self._facts = {key: plain(facts) for key, facts in settings.facts.items()}
        self._otherwise = plain(settings.otherwise)

    def facts(self, request: Request) -> Facts:
        """Those of this request."""
        given = {written(value) for value in self._subject.values(request)}
        return next((facts for key, facts in self._facts.items() if key in given), self._otherwise)


class Networks:
    """A fact by the network of an address."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._fact = settings.fact
        self._subject = read_subject(settings.address)
        self._otherwise = settings.otherwise
        self._known: dict[int, dict[Network, Json]] = {4: {}, 6: {}}  # the narrowest first
        read = {ip_network(text): fact for text, fact in settings.networks.items()}
        for network in sorted(read, key=lambda one: -one.prefixlen):
            self._known[network.version][network] = _plain(read[network])

    def facts(self, request: Request) -> Facts:
        """The fact of this request, if there is one."""
        fact = _plain(self._otherwise)
        for value in self._subject.values(request)[-1:]:
            fact = self._of(value)
        return {} if fact is None else {self._fact: fact}

    def _of(self, value: Json) -> Json:
        """By the last address of a list, as the nearest proxy wrote it (RFC 7239 §5.2)."""
        try:
            address: Any = ip_address(str(value).rpartition(",")[2].strip())
        except ValueError:
            return _plain(self._otherwise)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        networks = self._known[address.version]
        found = next((fact for network, fact in networks.items() if address in network), None)
        return _plain(self._otherwise) if found is None else found


def plain(facts: Mapping[str, Any]) -> Facts:
    """Facts as JSON has them."""
    return {name: _plain(fact) for name, fact in facts.items()}


def _plain(fact: Any) -> Json:
    return list(fact) if isinstance(fact, tuple) else fact
