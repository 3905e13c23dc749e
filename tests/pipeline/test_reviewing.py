"""Runs are gathered from the record with the time before them, within bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.audit.event import event
from callgate.model import Reply
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.pipeline.reviewing import Limits, NotOneRun, Reviewer
from callgate.ports import Caller, CallFilter, TargetRequest
from callgate.protocol.definitions import read_tool
from callgate.review.verdicts import Judgement, ReviewVerdict, verdict_entry
from fakes.calls import SCHEMA, a_call, a_principal
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.recorded import FakeRecords, defined
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeConnector

REFUND = read_tool("shop", {"name": "refund", "inputSchema": SCHEMA})
RULES = '@id("small") permit(principal, action, resource) when { context.input.amount <= 100 };'
FOUND = b'{"content":[{"type":"text","text":"the customer is ACME-77120 of Delft"}]}'
BEGIN = 1_790_000_000.0


async def answer(_request: TargetRequest, _caller: Caller) -> Reply:
    return Reply(body=FOUND)


class World:
    """A gateway that records, and the record it makes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.count = 0
        self.gateway: Gateway = a_gateway(
            policies=RULES,
            tools=(REFUND,),
            authenticator=FakeAuthenticator(anonymous=a_principal("ada", "agents")),
            connector=FakeConnector(answer=answer),
            clock=self.clock,
        )

    def call(self, session: str, **arguments: Any) -> str:
        self.count += 1
        self.clock.advance(10)
        made = a_call(
            id=f"c{self.count:02}",
            arguments={"customer": "somebody", "amount": 5, **arguments},
            received_at=self.clock.now(),
            session_id=session,
        )
        asyncio.run(govern(made, self.gateway, FakeCaller()))
        return made.id

    def note(self, *entries: Any) -> None:
        assert isinstance(self.gateway.store, FakeCallStore)
        self.gateway.store.kept.extend(entries)

    @property
    def records(self) -> FakeRecords:
        assert isinstance(self.gateway.store, FakeCallStore)
        return FakeRecords([defined(self.gateway.engine), *self.gateway.store.kept])

    def reviewer(self, **limits: Any) -> Reviewer:
        return Reviewer(self.records, Limits(**limits))


@pytest.fixture
def world() -> World:
    made = World()
    for _ in range(25):
        made.call("before")
    made.call("s1")
    made.call("s1", customer="ACME-77120")
    made.call("s1", amount=480)
    return made


def test_a_run_is_found_by_itself_a_call_or_a_session_and_their_beginnings(world: World) -> None:
    reviewer = world.reviewer()
    run = reviewer.run_named("c26")

    assert run.startswith("r")
    assert reviewer.run_named(run) == run
    assert reviewer.run_named("s1") == run
    assert reviewer.run_named(run[:8]) == run
    assert reviewer.run_named("befo") != run
    assert reviewer.last_run() == run


def test_what_is_no_run_or_several_says_so(world: World) -> None:
    with pytest.raises(NotOneRun, match="no run, call or session begins with 'zz'"):
        world.reviewer().run_named("zz")
    with pytest.raises(NotOneRun, match="'c2' is not one run"):
        world.reviewer().run_named("c2")
    with pytest.raises(NotOneRun, match="no call"):
        world.reviewer().review("r0")
    with pytest.raises(NotOneRun, match="belongs to a run"):
        Reviewer(FakeRecords([])).last_run()


def test_a_run_is_reviewed_with_flow_history_bounds_and_definitions(world: World) -> None:
    reviewer = world.reviewer()
    found = reviewer.review(reviewer.run_named("s1"))

    assert [step.call for step in found.steps] == ["c26", "c27", "c28"]
    assert [(flow.source, flow.sink, flow.sink_path) for flow in found.flows] == [
        (1, 2, "/customer")
    ]
    assert found.history.calls == 25
    assert found.history.is_whole
    assert found.findings == ()


def test_bounds_of_the_policies_then_are_known(world: World) -> None:
    for _ in range(3):
        world.call("s2", amount=99)
    reviewer = world.reviewer()
    found = reviewer.review(reviewer.run_named("s2"))

    assert [one.rule for one in found.findings] == ["near_limit"]
    assert "within 100 (amount, small)" in found.findings[0].sentence


def test_verdicts_and_what_happened_meanwhile_are_told(world: World) -> None:
    said = ReviewVerdict(about="c28", verdict=Judgement.OVER_BLOCKED, author="lea")
    elsewhere = ReviewVerdict(about="c01", verdict=Judgement.JUSTIFIED, author="lea")
    world.note(
        event("policies_in_force", BEGIN + 265, {"version": "abc"}),
        event("policies_in_force", BEGIN + 5, {"version": "before"}),
        verdict_entry(said, BEGIN + 999),
        verdict_entry(elsewhere, BEGIN + 999),
    )
    reviewer = world.reviewer()
    found = reviewer.review(reviewer.run_named("s1"))

    assert list(found.verdicts) == ["c28"]
    assert [one.sentence for one in found.happenings] == [
        "The policies of version abc came into force."
    ]


def test_there_are_bounds_and_they_are_said(world: World) -> None:
    reviewer = world.reviewer(calls=2, history=10)
    found = reviewer.review(reviewer.run_named("s1"))

    assert len(found.steps) == 2
    assert not found.is_whole
    assert not found.history.is_whole


def test_runs_are_listed_with_how_their_calls_came_out(world: World) -> None:
    latest, before = world.reviewer().runs(CallFilter(limit=100))

    assert (latest.calls, latest.outcomes) == (3, {"ok": 2, "refused": 1})
    assert latest.principal == "ada"
    assert latest.tools == ("shop___refund",)
    assert latest.first_at < latest.last_at
    assert before.calls == 25


def test_a_period_is_many_runs(world: World) -> None:
    found = world.reviewer().period("a day", CallFilter(limit=100))

    assert found.run == "a day"
    assert len(found.steps) == 28
    assert Reviewer(FakeRecords([])).period("nothing", CallFilter()).steps == ()
