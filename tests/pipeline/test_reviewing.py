"""Runs are gathered from the record with the time before them, within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.audit.event import event
from callgate.pipeline.reviewing import Limits, NotOneRun, Reviewer
from callgate.ports import CallFilter
from callgate.review.verdicts import Judgement, ReviewVerdict, verdict_entry
from fakes.recorded import FakeRecords
from fakes.runs import BEGIN, World, a_world


@pytest.fixture
def world() -> World:
    return a_world()


def reviewer_of(world: World, **limits: Any) -> Reviewer:
    return Reviewer(world.records, Limits(**limits))


def test_a_run_is_found_by_itself_a_call_or_a_session_and_their_beginnings(world: World) -> None:
    reviewer = reviewer_of(world)
    run = reviewer.run_named("c26")

    assert run.startswith("r")
    assert reviewer.run_named(run) == run
    assert reviewer.run_named("s1") == run
    assert reviewer.run_named(run[:8]) == run
    assert reviewer.run_named("befo") != run
    assert reviewer.last_run() == run


def test_what_is_no_run_or_several_says_so(world: World) -> None:
    with pytest.raises(NotOneRun, match="no run, call or session begins with 'zz'"):
        reviewer_of(world).run_named("zz")
    with pytest.raises(NotOneRun, match="'c2' is not one run"):
        reviewer_of(world).run_named("c2")
    with pytest.raises(NotOneRun, match="no call"):
        reviewer_of(world).review("r0")
    with pytest.raises(NotOneRun, match="belongs to a run"):
        Reviewer(FakeRecords([])).last_run()


def test_a_run_is_reviewed_with_flow_history_bounds_and_definitions(world: World) -> None:
    reviewer = reviewer_of(world)
    found = reviewer.review(reviewer.run_named("s1"))

    assert [step.call for step in found.steps] == ["c26", "c27", "c28"]
    assert [(flow.source, flow.sink, flow.sink_path) for flow in found.flows] == [
        (1, 2, "/customer")
    ]
    assert found.history.calls == 25
    assert found.history.is_whole
    assert found.findings == ()


def test_what_is_too_large_for_the_record_is_reviewed_too(world: World) -> None:
    elsewhere = FakeRecords(world.entries, lie_elsewhere=True)
    run = reviewer_of(world).run_named("s1")

    assert Reviewer(elsewhere).review(run) == reviewer_of(world).review(run)
    less = Reviewer(elsewhere, Limits(characters=100)).review(run)
    assert (less.is_traced, less.flows) == (False, ())


def test_bounds_of_the_policies_then_are_known(world: World) -> None:
    for _ in range(3):
        world.call("s2", amount=99)
    reviewer = reviewer_of(world)
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
    reviewer = reviewer_of(world)
    found = reviewer.review(reviewer.run_named("s1"))

    assert list(found.verdicts) == ["c28"]
    assert [one.sentence for one in found.happenings] == [
        "The policies of version abc came into force."
    ]


def test_there_are_bounds_and_they_are_said(world: World) -> None:
    reviewer = reviewer_of(world, calls=2, history=10)
    found = reviewer.review(reviewer.run_named("s1"))

    assert len(found.steps) == 2
    assert not found.is_whole
    assert not found.history.is_whole


def test_runs_are_listed_with_how_their_calls_came_out(world: World) -> None:
    latest, before = reviewer_of(world).runs(CallFilter(limit=100))

    assert (latest.calls, latest.outcomes) == (3, {"ok": 2, "refused": 1})
    assert latest.principal == "ada"
    assert latest.tools == ("shop___refund",)
    assert latest.first_at < latest.last_at
    assert before.calls == 25


def test_a_period_is_many_runs(world: World) -> None:
    found = reviewer_of(world).period("a day", CallFilter(limit=100))

    assert found.run == "a day"
    assert len(found.steps) == 28
    assert Reviewer(FakeRecords([])).period("nothing", CallFilter()).steps == ()


def test_runs_of_a_period_are_looked_into_in_their_order() -> None:
    world = a_world()
    for session in ("s2", "s3"):
        for _ in range(3):
            world.call(session, amount=99)
    reviewer = reviewer_of(world)
    found = reviewer.period("a day", CallFilter(limit=100), most_runs=3)

    assert [one.finding.rule for one in found.of_runs] == ["near_limit", "near_limit"]
    assert [one.run for one in found.of_runs] == [reviewer.run_named(s) for s in ("s2", "s3")]
    assert found.runs_left == 1
    assert not reviewer.period("a day", CallFilter(limit=100)).of_runs
