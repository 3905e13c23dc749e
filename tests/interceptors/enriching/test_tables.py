"""Facts by a key, by a network and by the hour are those that the configuration names."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from callgate.interceptors.enriching.tables import (
    HoursSettings,
    MapSettings,
    Networks,
    NetworkSettings,
    Table,
)
from callgate.scrutiny import Request
from fakes.calls import a_principal, a_tool


def request(*groups: str, **more: Any) -> Request:
    return Request(call_id="c", principal=a_principal("ada", *groups), tool=a_tool(), **more)


def by_group(*groups: str) -> Any:
    table = Table(
        MapSettings.model_validate(
            {
                "by": "principal.groups",
                "facts": {"leads": {"limit": 500, "tags": ["a"]}, "staff": {"limit": 50}},
                "otherwise": {"limit": 0},
            }
        )
    )
    return table.facts(request(*groups))


def test_of_several_values_the_first_key_of_the_table_counts() -> None:
    assert by_group("staff", "leads") == {"limit": 500, "tags": ["a"]}
    assert by_group("staff") == {"limit": 50}
    assert by_group("guests") == by_group() == {"limit": 0}


def country(address: Any, **more: Any) -> Any:
    settings = {
        "fact": "country",
        "address": "argument:$.ip",
        "networks": {
            "10.0.0.0/8": "office",
            "10.1.0.0/16": "lab",
            "203.0.113.0/24": "DE",
            "2001:db8::/32": "FR",
        },
        **more,
    }
    return Networks(NetworkSettings.model_validate(settings)).facts(
        request(arguments={"ip": address})
    )


@pytest.mark.parametrize(
    ("address", "fact"),
    [
        ("10.2.3.4", "office"),
        ("10.1.2.3", "lab"),
        ("::ffff:10.1.2.3", "lab"),
        ("203.0.113.9", "DE"),
        ("2001:db8::5", "FR"),
        ("10.0.0.1, 203.0.113.9", "DE"),
    ],
)
def test_the_narrowest_network_of_the_last_address_counts(address: str, fact: str) -> None:
    assert country(address) == {"country": fact}


@pytest.mark.parametrize("address", ["8.8.8.8", "no address", "10.0.0.0/8", "", None])
def test_an_address_of_no_network_has_the_other_fact_or_none(address: Any) -> None:
    assert country(address) == {}
    assert country(address, otherwise="??") == {"country": "??"}


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


OFFICE = HoursSettings.model_validate(
    {
        "fact": "f",
        "timezone": "Europe/Berlin",
        "from": "08:30",
        "to": "18:00",
        "holidays": ["2026-12-25"],
    }
)
NIGHT = HoursSettings.model_validate(
    {"fact": "f", "timezone": "Europe/Berlin", "from": "22:00", "to": "06:00", "days": ["fri"]}
)


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        ("2026-11-27T08:30", True),  # a Friday
        ("2026-11-27T08:29:59", False),
        ("2026-11-27T17:59:59", True),
        ("2026-11-27T18:00", False),
        ("2026-11-28T12:00", False),
        ("2026-12-25T12:00", False),
        ("2026-07-03T08:30", True),  # summer time
    ],
)
def test_hours_hold_on_their_days_where_they_are_meant(now: str, holds: bool) -> None:
    assert OFFICE.hold(at(now)) is holds


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        ("2026-11-27T21:59", False),
        ("2026-11-27T22:00", True),
        ("2026-11-28T05:59", True),
        ("2026-11-28T06:00", False),
        ("2026-11-27T05:00", False),
        ("2026-11-28T23:00", False),
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(now: str, holds: bool) -> None:
    assert NIGHT.hold(at(now)) is holds


def test_the_zone_is_that_of_the_hours_not_of_the_machine() -> None:
    assert OFFICE.hold(at("2026-11-27T08:00", "UTC"))
    assert not OFFICE.hold(at("2026-11-27T17:30", "UTC"))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"timezone": "Berlin"}, "no time zone of this name"),
        ({"timezone": "../etc/passwd"}, "no time zone of this name"),
        ({"from": 510}, "in quotes"),
        ({"from": "08:30+01:00"}, "without a time zone"),
        ({"days": ["monday"]}, "mon"),
    ],
)
def test_hours_that_cannot_be_read_say_why(settings: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        HoursSettings.model_validate({"fact": "f", "timezone": "UTC", **settings})


def test_a_network_that_is_none_says_why() -> None:
    with pytest.raises(ValidationError, match=r"write a network as 10\.0\.0\.0/8"):
        country("1.1.1.1", networks={"10.0.0.1/8": "x"})
