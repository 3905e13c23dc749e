from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from callgate.exports.sep3004 import FIRST, AuditChain
from fakes.exported import HOSTILE, a_recorded_call, every_ending

OUTCOMES = {"allowed", "denied", "deferred", "error"}


def texts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    else:
        yield value


@pytest.mark.parametrize("name", every_ending())
def test_every_call_keeps_to_what_the_draft_demands(name: str) -> None:
    event = AuditChain().next(every_ending()[name])
    assert set(event) == {
        "event_id", "occurred_at", "principal_id", "event_type", "tool_name", "outcome",
        "extensions", "previous_hash", "event_hash",
    }  # fmt: skip
    assert event["outcome"] in OUTCOMES
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["occurred_at"])
    for one in texts(event):
        assert one is None or isinstance(one, str)  # no bare numbers
        if one is not None:
            assert one == one.strip(" ")
            assert len(one) <= 8192
            assert not re.search(r"[\x00-\x1f\x7f-\x9f]", one)


def test_each_event_is_chained_to_the_one_before() -> None:
    chain = AuditChain()
    events = [chain.next(a_recorded_call(number=number)) for number in range(3)]
    before = FIRST
    for event in events:
        said = event.pop("event_hash")
        assert event["previous_hash"] == before
        canonical = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(canonical.encode()).hexdigest() == said
        before = said
    assert AuditChain(before).next(a_recorded_call())["previous_hash"] == before


def test_a_long_hostile_reason_is_cut_and_cleaned() -> None:
    call = a_recorded_call(code="not_permitted", ran="no", reason=HOSTILE + "x" * 10_000 + "\ud800")
    reason = AuditChain().next(call)["extensions"]["runtime-security"]["reason"]
    assert len(reason) <= 8192
    assert "\r" not in reason and "\x1b" not in reason
