from __future__ import annotations

import json

import pytest

from callgate.exports.lines import LINE_FORMATS, line, speaker
from fakes.exported import HOSTILE, ORIGIN, a_recorded_call, every_ending


@pytest.mark.parametrize("name", LINE_FORMATS)
@pytest.mark.parametrize("ending", every_ending())
def test_every_call_is_one_line_in_every_format_whatever_is_in_it(name: str, ending: str) -> None:
    said = speaker(name, ORIGIN)({"kind": "outcome", **every_ending()[ending]})  # type: ignore[arg-type]
    raw = line(said)
    assert raw.endswith(b"\n")
    assert len(raw.decode().splitlines()) == 1
    assert not any(byte < 0x20 for byte in raw[:-1])
    assert json.loads(raw) == json.loads(json.dumps(said))


def test_line_ends_of_unicode_come_back_as_they_were() -> None:
    call = a_recorded_call(reason=HOSTILE + "\u0085\u2029")
    assert json.loads(line(call))["reason"] == HOSTILE + "\u0085\u2029"


def test_what_a_terminal_acts_on_is_escaped_and_comes_back_as_it_was() -> None:
    reason = "\x7f\x9b2J \u202ebidi\u2066 \U000e0041 \u2028 é 中"
    raw = line(a_recorded_call(reason=reason))
    assert raw[:-1].decode().isprintable()
    assert "é 中".encode() in raw
    assert json.loads(raw)["reason"] == reason


def test_a_chain_goes_on_where_it_was_left() -> None:
    first = speaker("sep-3004", ORIGIN)(a_recorded_call())
    second = speaker("sep-3004", ORIGIN, first["event_hash"])(a_recorded_call(number=8))
    assert second["previous_hash"] == first["event_hash"]
