"""Texts of extension values are read as Cedar reads them."""

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.analysis import literals


def says(condition: str) -> bool:
    request = {"principal": 'U::"a"', "action": 'Action::"b"', "resource": 'R::"c"', "context": {}}
    policy = f"permit(principal, action, resource) when {{ {condition} }};"
    return cedarpy.is_authorized(request, policy, []).decision is cedarpy.Decision.Allow


@pytest.mark.parametrize(
    "text",
    [
        "1.0",
        "-1.5",
        "1.2345",
        "01.10",
        "-0.0",
        "922337203685477.5807",
        "-922337203685477.5808",
        "1",
        "1.23456",
        "+1.0",
        "922337203685477.5808",
        ".5",
        "1.",
        "\uff11.0",
    ],
)
def test_a_decimal_is_read_as_cedar_reads_it(text: str) -> None:
    try:
        number = literals.decimal(text)
    except literals.Malformed:
        assert not says(f'decimal("{text}") == decimal("{text}")')
    else:
        assert says(f'decimal("{text}") == decimal("{literals.decimal_text(number)}")')


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01",
        "2024-02-29",
        "0001-01-01",
        "9999-12-31",
        "1969-12-31T23:59:59.999Z",
        "2024-01-01T10:20:30.123Z",
        "2024-01-01T10:20:30.123+0130",
        "2024-01-01T10:20:30-2359",
        "2024-02-30",
        "2024-01-01T23:59:60Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:20:30.12Z",
        "2024-01-01T10:20:30-2400",
        "2024-01-01T10:20:30+0060",
        "2024-01-01T10:20:30+01:30",
        "2024-01-01T10:20:30",
        "2024-1-1",
    ],
)
def test_a_datetime_is_read_as_cedar_reads_it(text: str) -> None:
    try:
        at = literals.instant(text)
    except literals.Malformed:
        assert not says(f'datetime("{text}") == datetime("{text}")')
    else:
        since = f'datetime("{text}").durationSince(datetime("1970-01-01"))'
        assert says(f"{since}.toMilliseconds() == {at}")


@pytest.mark.parametrize(
    "text",
    [
        "1d",
        "1h2m3s4ms",
        "-1d2h",
        "1m",
        "1ms",
        "5m5ms",
        "-0ms",
        "106751991167d",
        "9223372036854775807ms",
        "-9223372036854775808ms",
        "",
        "-",
        "1d1d",
        "2h1d",
        "d",
        "1 d",
        "1d-1h",
        "106751991168d",
        "9223372036854775808ms",
    ],
)
def test_a_duration_is_read_as_cedar_reads_it(text: str) -> None:
    try:
        span = literals.duration(text)
    except literals.Malformed:
        assert not says(f'duration("{text}") == duration("{text}")')
    else:
        assert says(f'duration("{text}").toMilliseconds() == {span}')


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4",
        "1.2.3.4/8",
        "10.0.0.0/0",
        "::1",
        "::1/128",
        "ABCD::1",
        "::/0",
        "1.2.3.4/33",
        "1.2.3.4/08",
        "01.2.3.4",
        "::1/129",
        "::ffff:1.2.3.4",
        "fe80::1%eth0",
        "1.2.3",
        "1.2.3.4/",
        "1::2::3",
        "1.2.3.4/8/8",
        " 1.2.3.4",
    ],
)
def test_an_address_is_read_as_cedar_reads_it(text: str) -> None:
    try:
        found = literals.address(text)
    except literals.Malformed:
        assert not says(f'ip("{text}") == ip("{text}")')
    else:
        assert says(f'ip("{text}") == ip("{literals.address_text(*found)}")')


@settings(deadline=None)
@given(st.integers(literals.LONG_MIN, literals.LONG_MAX))
def test_a_decimal_is_written_as_it_is_read(number: int) -> None:
    assert literals.decimal(literals.decimal_text(number)) == number
