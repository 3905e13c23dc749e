"""Calls are written down after what they refer to, and in their run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.audit.event import event
from callgate.audit.record import content_of
from callgate.model import Call, Outcome, Refused
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern, record_list, record_refusal
from callgate.pipeline.recording import in_run, keep_intent, keep_outcome
from callgate.ports import StoreError
from callgate.sessions.runs import run_of_session, run_of_trace
from fakes.calls import a_call, a_principal, a_tool
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore, an_ending_call
from fakes.target import FakeCaller

ADA = a_principal("ada", claims={"email": "ada@example.com"})
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def kept(gateway: Gateway) -> FakeCallStore:
    assert isinstance(gateway.store, FakeCallStore)
    return gateway.store


def names(gateway: Gateway) -> list[str]:
    return [entry.code or entry.kind for entry in kept(gateway).kept]


def a_known_call(**more: Any) -> Call:
    settings = {"arguments": {"customer": "c", "amount": 5}, "principal": ADA, **more}
    return a_call(**settings)


def test_what_a_call_refers_to_is_recorded_once_and_before_it() -> None:
    async def play() -> None:
        gateway = a_gateway()
        for number in range(2):
            await govern(a_known_call(id=f"c{number}"), gateway, FakeCaller())

        assert names(gateway) == [
            "principal_described", "tool_defined", "intent", "ok", "intent", "ok",
        ]  # fmt: skip
        intent = content_of(kept(gateway).entries[0])
        described, defined = (entry.call_id for entry in kept(gateway).events)
        assert described == f"principal:{intent['principal']['claims_sha256']}"
        assert defined == f"tool:{intent['tool_sha256']}"

    asyncio.run(play())


def test_a_refused_call_is_preceded_by_what_it_refers_to_as_well() -> None:
    async def play() -> None:
        gateway = a_gateway(policies="")
        for number in range(2):
            await govern(a_known_call(id=f"c{number}"), gateway, FakeCaller())

        assert names(gateway) == [
            "principal_described", "tool_defined", "not_permitted", "not_permitted",
        ]  # fmt: skip

    asyncio.run(play())


def test_no_call_goes_out_whose_description_cannot_be_recorded() -> None:
    async def play() -> None:
        gateway = a_gateway()
        kept(gateway).fail()

        with pytest.raises(StoreError):
            await keep_intent(an_ending_call("c1", principal=ADA), gateway)

        assert kept(gateway).kept == []

    asyncio.run(play())


def test_in_a_store_that_works_again_calls_find_what_they_refer_to() -> None:
    gateway = a_gateway()
    gateway.definitions.standing = (
        "policies:1",
        lambda: event("policies_defined", 1.0, {}, identifier="policies:1"),
    )

    async def play() -> None:
        await govern(a_known_call(id="c1"), gateway, FakeCaller())
        kept(gateway).fail()
        await govern(a_known_call(id="c2"), gateway, FakeCaller())
        kept(gateway).kept.clear()  # another file lies in its place
        kept(gateway).mend()
        await govern(a_known_call(id="c3"), gateway, FakeCaller())

    asyncio.run(play())
    assert names(gateway) == [
        "principal_described", "tool_defined", "record_unavailable",
        "policies_defined", "principal_described", "tool_defined", "intent", "ok",
    ]  # fmt: skip


def test_an_outcome_that_cannot_be_told_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    call = an_ending_call("c1", labels=1)  # no such thing can be recorded

    keep_outcome(Outcome(call=call, timings={"admit": None}), a_gateway())  # type: ignore[dict-item]

    assert "the outcome of call c1 could not be told" in caplog.text


def test_an_outcome_that_cannot_be_recorded_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        gateway = a_gateway()
        await kept(gateway).close()
        keep_outcome(Outcome(call=an_ending_call("c1")), gateway)

        assert "the outcome of call c1 could not be recorded: the record is closed" in caplog.text

    asyncio.run(play())


def test_policy_and_record_speak_of_the_same_instant() -> None:
    async def play() -> None:
        only_then = """permit(principal, action, resource)
            when { context.system.now == datetime("2026-09-21T14:13:20.123Z") };"""
        gateway = a_gateway(policies=only_then, clock=FakeClock(1_790_000_000.1234567))

        outcome = await govern(a_known_call(), gateway, FakeCaller())

        assert outcome.refusal_code is None
        assert content_of(kept(gateway).entries[0])["decided_at"] == "2026-09-21T14:13:20.123457Z"

    asyncio.run(play())


def test_entries_of_a_call_tell_its_run() -> None:
    async def play() -> None:
        gateway = a_gateway()
        await govern(a_known_call(session_id="s1"), gateway, FakeCaller())

        assert {entry.run for entry in kept(gateway).entries} == {run_of_session(ADA.key, "s1")}

    asyncio.run(play())


def test_what_ends_before_the_stages_is_in_the_run_too() -> None:
    async def play() -> None:
        gateway = a_gateway()
        call = a_known_call(meta={"traceparent": PARENT}, method="tools/list", tool=None)
        record_list(call, gateway, 3)
        record_refusal(call, Refused("x", "No."), gateway)

        assert {entry.run for entry in kept(gateway).entries} == {run_of_trace(ADA.key, PARENT)}

    asyncio.run(play())


def test_a_call_keeps_the_run_that_it_was_raised_in() -> None:
    gateway = a_gateway()

    assert in_run(a_known_call(run="r1", session_id="s1"), gateway).run == "r1"
    assert in_run(a_call(session_id="s1"), gateway).run is None


def test_calls_at_once_are_one_run_without_session_and_trace() -> None:
    async def play() -> None:
        gateway = a_gateway(tools=(a_tool(), a_tool(name="other")))
        calls = (a_known_call(id=f"c{number}") for number in range(5))
        await asyncio.gather(*(govern(call, gateway, FakeCaller()) for call in calls))

        assert len({entry.run for entry in kept(gateway).entries}) == 1

    asyncio.run(play())
