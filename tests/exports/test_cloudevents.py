from __future__ import annotations

import json

import pytest
from cloudevents.v1.http import from_json

from callgate.exports.cloudevents import cloud_event, code_of
from fakes.exported import ORIGIN, a_recorded_call, every_ending


@pytest.mark.parametrize("name", every_ending())
def test_every_call_is_an_event_that_the_cloudevents_library_reads(name: str) -> None:
    call = every_ending()[name]
    event = from_json(json.dumps(cloud_event(call, ORIGIN)))
    assert event["id"] == f"{ORIGIN}/1/15"
    assert event["type"] == f"dev.callgate.call.{name.partition(',')[0]}"
    assert event["subject"] == call["call"]
    assert event.data == call


def test_entries_have_codes_of_their_own() -> None:
    assert (
        code_of({"kind": "event", "event": "policies_in_force"}) == "dev.callgate.policies_in_force"
    )
    assert code_of({"kind": "event", "code": "gateway_started", "erased": True}) == (
        "dev.callgate.gateway_started"
    )
    assert code_of({"kind": "intent"}) == "dev.callgate.call.intended"
    assert code_of(a_recorded_call(kind="outcome")) == "dev.callgate.call.completed"
