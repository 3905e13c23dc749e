"""What a trace tells about a call."""

from __future__ import annotations

import msgspec
import pytest
from pytest import approx

from callgate.model import Era, Reply
from callgate.telemetry.operations import (
    METRIC_ATTRIBUTES,
    SPAN_ATTRIBUTES,
    details,
    forwarded,
    served,
)
from fakes.calls import a_principal
from fakes.outcomes import SECONDS, ended, refused_before_the_stages

BEFORE_FORWARD = sum(SECONDS.values()) - SECONDS["forward"] - SECONDS["intercept_response"]
SAYS_NO = Reply(body=b'{"content":[],"isError":true}')


def test_the_whole_call_is_told_as_the_agent_sees_it() -> None:
    outcome = ended()

    operation = served(outcome)

    assert operation.name == "tools/call refund"
    assert operation.began_at == outcome.call.received_at
    assert operation.seconds == approx(sum(SECONDS.values()))
    assert operation.attributes == {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "refund",
        "callgate.target": "shop",
        "mcp.protocol.version": "2026-07-28",
    }
    assert not operation.is_error


def test_the_call_to_the_target_has_the_times_of_the_stage_forward() -> None:
    outcome = ended()

    operation = forwarded(outcome)

    assert operation is not None
    assert operation.began_at == approx(outcome.call.received_at + BEFORE_FORWARD, abs=1e-6)
    assert operation.seconds == SECONDS["forward"]
    assert operation.attributes == {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "refund",
        "callgate.target": "shop",
    }


def test_a_call_that_was_refused_before_never_reached_the_target() -> None:
    outcome = ended("not_permitted", last="authorize")

    assert served(outcome).attributes["error.type"] == "not_permitted"
    assert forwarded(outcome) is None


def test_a_call_that_an_interceptor_answered_never_reached_the_target() -> None:
    assert forwarded(ended(is_answered=True)) is None


def test_a_fault_of_the_target_shows_on_both_sides() -> None:
    outcome = ended("target_timeout", last="forward")

    for operation in (served(outcome), forwarded(outcome)):
        assert operation is not None
        assert operation.attributes["error.type"] == "target_timeout"
        assert operation.is_error


def test_what_the_target_called_a_failure_shows_on_both_sides() -> None:
    outcome = ended(reply=SAYS_NO)

    for operation in (served(outcome), forwarded(outcome)):
        assert operation is not None
        assert operation.attributes["error.type"] == "tool_error"


@pytest.mark.parametrize(("reply", "code"), [(Reply(body=b"{}"), None), (SAYS_NO, "tool_error")])
def test_a_result_that_is_withheld_is_no_fault_of_the_target(
    reply: Reply, code: str | None
) -> None:
    outcome = ended("result_withheld", reply=reply)

    operation = forwarded(outcome)
    assert operation is not None
    assert operation.attributes.get("error.type") == code
    assert served(outcome).attributes["error.type"] == "result_withheld"


def test_what_the_agent_made_up_has_no_name() -> None:
    outcome = refused_before_the_stages(
        "malformed", requested_name="made up", protocol_version="made up"
    )

    operation = served(outcome)

    assert operation.name == "tools/call"
    assert operation.seconds == 0
    assert "made up" not in str(operation)


def test_details_say_who_and_why() -> None:
    assert details(ended().call) == {
        "callgate.call.id": "c000",
        "callgate.policy.determining": ("p1", "p2"),
        "gen_ai.agent.id": "helper",
    }


def test_only_agents_of_the_handshake_era_have_sessions() -> None:
    modern = ended(session_id="s1").call
    legacy = msgspec.structs.replace(modern, era=Era.LEGACY)

    assert "mcp.session.id" not in details(modern)
    assert details(legacy)["mcp.session.id"] == "s1"


def test_what_is_not_known_is_left_out() -> None:
    assert details(refused_before_the_stages("unauthenticated").call) == {
        "callgate.call.id": "c000"
    }
    assert "gen_ai.agent.id" not in details(ended(principal=a_principal()).call)
    assert "callgate.policy.determining" not in details(ended(verdict=None).call)


def test_every_attribute_is_described() -> None:
    outcome = ended("target_lost", last="forward", era=Era.LEGACY, session_id="s1")
    client = forwarded(outcome)
    assert client is not None

    assert set(served(outcome).attributes) | set(client.attributes) == set(METRIC_ATTRIBUTES)
    assert set(details(outcome.call)) == set(SPAN_ATTRIBUTES)
