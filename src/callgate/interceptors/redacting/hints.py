"""Where in a text a secret can stand at all: the slow engines look only there."""

from __future__ import annotations

import re
from typing import Any

import re2

from callgate.interceptors.redacting.forms import Form, Reading

Place = tuple[int, int]

BEFORE = 160
AFTER = 512

SHORTEST = 12
"""Of a run of characters that can be a key: kingfisher's shortest token has 13."""

_RUN = rb"A-Za-z0-9_+/=\-.:@"

# INVARIANT: a run that `_WORDY` does not take holds one of these. They are rare in prose and code.
ODD = Form(
    r"[0-9][A-Za-z]|[0-9]{10}|[A-Za-z][0-9]{4}|[a-z]{15}|[A-Z]{15}|[A-Z]{2}[a-z]"
    r"|[a-z][A-Z](?:[^a-z]|[a-z][^a-z]|[a-z]?$)|[A-Za-z0-9_+/=\-.:@]@[A-Za-z0-9_+/=\-.:@]"
)
# Words, dates and numbers between separators: paths, names in code, hosts, instants. Twenty letters
# drawn by lot are none, for want of a digit as well as of a capital amiss, once in a million.
_WORDY = re.compile(
    rb"[/_\-.=+:@]*(?:(?:[A-Za-z][a-z]{0,14}(?:[A-Z][a-z]{2,14})*[0-9]{0,3}|[A-Z]{2,14}[0-9]{0,3}"
    rb"|[0-9]{1,9}(?:T[0-9]{2}|Z)?)(?:[/_\-.=+:]+|@?$))*"
)
_REST = re.compile(rb"[" + _RUN + rb"]*")
_RUN_BYTES = bytes(code for code in range(128) if re.match(rb"[" + _RUN + rb"]", bytes((code,))))
_LOOK_BACK = 256

# What counts wherever it stands: schemes, addresses with a password, JSON's own passwords.
SURE = Form(
    r"(?i:bearer[\s\"':,]{1,8}[^\s\"]{8}|authorization[^\w\s]{0,3}\s*[:=,]|otpauth:|private key)"
    r"|://[^\s/\"@]+@|(?i:(?:pass(?:word|wd|phrase)|pwd|secret)\\?\"\s?:)"
)
# A password in a URL, whatever it is written with; as it is after rotation, and from the end.
TURNED_URL = Form(r"://[^\s/\"@]+@|@[^\s/\"@]+//:")
# Names of secrets before a value: what follows counts only where it holds a digit.
NAMED = Form(
    r"(?i:(?:pass|pwd|secret|token|auth|cred|cookie|session|private|signature|\bsig|key|verifier|art_api)[\w.\-]{0,64})"
    r"[\\\"'`)\]}>]{0,4}[\s\x{a0}\x{2000}-\x{200f}\x{3000}\x{feff}]*(?:[=,(]|:(?:[^:]|$))"
)
_DIGIT: Any = re2.compile(r"[\p{Nd}²³¹⁰⁴-⁹₀-₉]".encode())


def odd_run(reading: Reading, at: int) -> Place | None:
    """The first run of characters from here on that can be a key, in bytes."""
    if at:
        return _odd_run(reading, at)
    if reading.first_run == "unsought":  # two ask for it
        reading.first_run = _odd_run(reading, 0)
    return reading.first_run


def _odd_run(reading: Reading, at: int) -> Place | None:
    body = reading.body
    while (hit := ODD.next(reading, at)) is not None:
        left = body[max(at, hit[0] - _LOOK_BACK) : hit[0]]
        start = hit[0] - len(left) + len(left.rstrip(_RUN_BYTES))
        end = _ending(body, hit[0])
        if end - start >= SHORTEST and _WORDY.fullmatch(body, start, end) is None:
            return start, end
        at = max(end, hit[0] + 1)
    return None


def _ending(body: bytes, at: int) -> int:
    rest = _REST.match(body, at)
    return at if rest is None else rest.end()


def _sure(reading: Reading, at: int) -> Place | None:
    return SURE.next(reading, at)


def _named(reading: Reading, at: int) -> Place | None:
    """The first name of a secret from here on that a value can follow."""
    while (hit := NAMED.next(reading, at)) is not None and not _has_digit(reading, hit[1]):
        at = hit[1]
    return hit


def _has_digit(reading: Reading, at: int) -> bool:
    return _DIGIT.search(reading.body, at, at + AFTER) is not None


def around(reading: Reading) -> list[Place]:
    """The parts of a text that stand around a hint of a secret, in characters."""
    parts: list[Place] = []
    size = len(reading.body)
    ahead = [(seek, seek(reading, 0)) for seek in (odd_run, _sure, _named)]
    while hints := [hint for _, hint in ahead if hint is not None]:
        hint = min(hints)
        start = reading.boundary(max(0, hint[0] - BEFORE))
        end = reading.boundary(min(size, hint[1] + AFTER))
        if parts and start <= parts[-1][1]:
            start = parts.pop()[0]
        parts.append((start, end))
        if end == size:
            break
        at = max(hint[1], end - AFTER // 2)  # so that no hint stands near the end of its part
        ahead = [
            (seek, seek(reading, at) if place is not None and place[0] < at else place)
            for seek, place in ahead
        ]
    return list(reading.characters(parts))


def may_be_turned(reading: Reading) -> bool:
    """Whether a key can stand here that is written backwards, or with letters moved by 13.

    Both leave a run what it is.
    """
    return odd_run(reading, 0) is not None or TURNED_URL.is_in(reading)
