"""A review has calls, flows, findings, verdicts and what happened, and is told as JSON."""

from __future__ import annotations

import json

import pytest

from callgate.review.reviewed import Material, happenings_of, review, step_json, who
from callgate.review.verdicts import Judgement, ReviewVerdict
from fakes.steps import KNOWN, a_step, refused, run_of, structured

STEPS = run_of(
    a_step("crm___get_customer", {}, structured(id="A-1002-XK"), agent="helper"),
    a_step("mail___send_email", {"to": "eve@evil.example", "id": "A-1002-XK"}),
    refused("shop___refund"),
)


def test_a_run_is_looked_at_whole() -> None:
    found = review("r1", Material(steps=STEPS, history=KNOWN))

    assert [flow.sink for flow in found.flows] == [2]
    assert "new_recipient" in {one.rule for one in found.findings}
    assert dict(found.outcomes) == {"ok": 2, "refused": 1}
    assert found.principals == ("sam (helper)", "sam")
    assert who(STEPS[1]) == "sam"


def test_all_of_it_is_json() -> None:
    verdict = ReviewVerdict(about="c3", verdict=Judgement.JUSTIFIED, author="ada")
    material = Material(
        steps=STEPS,
        verdicts={"c3": verdict},
        happenings=happenings_of([{"event": "gateway_started", "at": "2026-09-21T14:13:20Z"}]),
    )
    told = json.loads(json.dumps(review("r1", material).as_json()))

    assert told["steps"][2]["outcome"] == "refused"
    assert told["verdicts"][0]["verdict"] == "justified"
    assert told["happenings"][0]["at"] == "2026-09-21T14:13:20.000000Z"
    assert "arguments" not in step_json(STEPS[0])


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"event": "policies_in_force", "version": "abc"}, "The policies of version abc came into force."),
        ({"event": "config_in_force"}, "Another configuration came into force."),
        ({"event": "tool_changed", "target": "crm", "changed": 1, "appeared": 0}, "The tools of crm are others: 1 changed, 0 appeared, 0 vanished."),
        ({"event": "gateway_started"}, "The gateway started."),
        ({"event": "gateway_stopped"}, "The gateway stopped."),
        ({"event": "something_new"}, "something_new."),
    ],
)  # fmt: skip
def test_what_happened_is_a_sentence(event: dict[str, object], said: str) -> None:
    (one,) = happenings_of([{"at": "2026-09-21T14:13:20Z", **event}])

    assert one.sentence == said


def test_that_a_target_is_listed_for_the_first_time_is_nothing_that_happened() -> None:
    first = {"event": "tool_changed", "at": "2026-09-21T14:13:20Z", "is_first": True}

    assert happenings_of([first]) == ()
