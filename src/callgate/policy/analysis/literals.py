"""The texts of Cedar's extension values → the numbers they stand for."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
DECIMAL_DIGITS = 4
DAY = 86_400_000  # milliseconds
UNITS = {"d": DAY, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}

_DECIMAL = re.compile(r"(-?)([0-9]+)\.([0-9]{1,4})", re.ASCII)
_DATETIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?(?:(Z)|([+-])([0-9]{2})([0-9]{2})))?",
    re.ASCII,
)
_DURATION = re.compile(
    r"(-?)(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9]+)s)?(?:([0-9]+)ms)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Malformed(ValueError):  # noqa: N818 - a finding about a text
    """The text is no value of its type."""


def decimal(text: str) -> int:
    """`"1.5"` → 15000: ten-thousandths. Raises Malformed."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise Malformed(f'"{text}" is no decimal')
    sign, whole, fraction = match.groups()
    number = int(whole + fraction.ljust(DECIMAL_DIGITS, "0"))
    return _long(-number if sign else number, text)


def decimal_text(number: int) -> str:
    """Ten-thousandths → `"1.5"`."""
    whole, fraction = divmod(abs(number), 10**DECIMAL_DIGITS)
    digits = f"{fraction:04d}".rstrip("0") or "0"
    return f"{'-' if number < 0 else ''}{whole}.{digits}"


def instant(text: str) -> int:
    """`"2026-01-31T10:00:00Z"` → milliseconds since the epoch. Raises Malformed."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise Malformed(f'"{text}" is no datetime')
    year, month, day, hour, minute, second, milli, _zulu, sign, off_hour, off_minute = (
        match.groups()
    )
    try:
        date = datetime(int(year), int(month), int(day), tzinfo=UTC)
    except ValueError:
        raise Malformed(f'"{text}" is no date of the calendar') from None
    at = (date - _EPOCH).days * DAY
    if hour is None:
        return at
    clock = (int(hour), int(minute), int(second))
    offset = (int(off_hour or 0), int(off_minute or 0))
    if clock > (23, 59, 59) or max(clock[1:]) > 59 or offset[0] > 23 or offset[1] > 59:
        raise Malformed(f'"{text}" has no such time of day')
    at += clock[0] * UNITS["h"] + clock[1] * UNITS["m"] + clock[2] * UNITS["s"] + int(milli or 0)
    shift = offset[0] * UNITS["h"] + offset[1] * UNITS["m"]
    return at + shift if sign == "-" else at - shift


def duration(text: str) -> int:
    """`"1d2h"` → milliseconds. Raises Malformed."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise Malformed(f'"{text}" is no duration')
    sign, *amounts = match.groups()
    total = 0
    for amount, unit in zip(amounts, UNITS.values(), strict=True):
        total += int(amount or 0) * unit
    return _long(-total if sign else total, text)


def address(text: str) -> tuple[bool, int, int]:
    """`"10.0.0.0/8"` → (whether it is IPv6, the address, the prefix length). Raises Malformed."""
    host, slash, prefix = text.partition("/")
    if "%" in host or (":" in host and "." in host):  # Cedar takes no IPv4 inside of IPv6
        raise Malformed(f'"{text}" is no IP address to Cedar')
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        raise Malformed(f'"{text}" is no IP address') from None
    width = parsed.max_prefixlen
    if not slash:
        return parsed.version == 6, int(parsed), width
    is_number = prefix.isascii() and prefix.isdigit() and str(int(prefix)) == prefix
    if not is_number or int(prefix) > width:
        raise Malformed(f'"{text}" has no such prefix')
    return parsed.version == 6, int(parsed), int(prefix)


def address_text(is_v6: bool, number: int, prefix: int) -> str:
    """The text of an address: with its prefix, where it is a range."""
    host = ipaddress.IPv6Address(number) if is_v6 else ipaddress.IPv4Address(number)
    text = str(host)
    if is_v6 and "." in text:  # some versions of Python write IPv4 inside of IPv6
        text = host.exploded
    return text if prefix == host.max_prefixlen else f"{text}/{prefix}"


def _long(number: int, text: str) -> int:
    if not LONG_MIN <= number <= LONG_MAX:
        raise Malformed(f'"{text}" does not fit 64 bits')
    return number
