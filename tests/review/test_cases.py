"""Verdicts become policy test cases that can be read and run; what cannot is said."""

from __future__ import annotations

from typing import Any

import yaml

from callgate.config.suites import Cast, cases_of, read_suite
from callgate.policy.cases import Ruling, run
from callgate.policy.decided import Decision
from callgate.policy.decisions import tool
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.validators import Validators
from callgate.review.cases import Exported, Judged, export
from callgate.review.verdicts import Judgement, ReviewVerdict
from fakes.calls import a_principal
from fakes.pages import HOSTILE

REFUND = tool("shop___refund", {"type": "object", "properties": {"amount": {"type": "integer"}}})
WIDER = tool("shop___refund", {"type": "object", "properties": {"amount": {"type": "number"}}})
OLD = "permit(principal, action, resource) when { context.input has amount && context.input.amount <= 100 };"
NEW = OLD.replace("100", "500")


def judged(verdict: Judgement, amount: int, ruling: Ruling, note: str = "", **more: Any) -> Judged:
    sam = a_principal("sam", "support", claims={"role": "lead"}, tenant="acme", agent="bot")
    question = Question(
        principal=sam,
        tool=more.pop("tool", REFUND),
        arguments={"amount": amount},
        enriched=more.pop("enriched", {}),
        now=1_790_000_000.0,
    )
    said = ReviewVerdict(about=f"c{amount}", verdict=verdict, author="ada", note=note)
    return Judged(
        verdict=said, decision=Decision(call="c", question=question, ruling=ruling, **more)
    )


def results(found: Exported, policies: str) -> list[bool]:
    suite = read_suite(yaml.safe_dump(found.suite, sort_keys=False, allow_unicode=True), "v.yaml")
    engine = Engine(read_policies([("p.cedar", policies)]), Names())
    cast = Cast(facts={"risk": {"score": "integer"}})
    return [run(engine, case, Validators().validate).is_passed for case in cases_of(suite, cast)]


ALL = [
    judged(Judgement.OVER_BLOCKED, 300, Ruling.REFUSE, "leads may"),
    judged(Judgement.JUSTIFIED, 50, Ruling.PERMIT),
    judged(Judgement.JUSTIFIED, 900, Ruling.REFUSE),
]


def test_cases_fail_with_the_old_policies_and_hold_with_better_ones() -> None:
    found = export(ALL)

    assert found.left == ()
    assert results(found, OLD) == [False, True, True]
    assert results(found, NEW) == [True, True, True]


def test_what_was_missed_is_expected_to_be_refused() -> None:
    found = export([judged(Judgement.MISSED, 90, Ruling.PERMIT)])

    assert results(found, OLD) == [False]
    assert results(found, OLD.replace("100", "80")) == [True]


def test_a_case_has_the_caller_the_facts_and_the_time_as_they_were() -> None:
    found = export(
        [judged(Judgement.JUSTIFIED, 50, Ruling.PERMIT, enriched={"risk": {"score": 3}})]
    )
    (case,) = found.suite["cases"]

    assert case["principal"] == {
        "id": "sam",
        "groups": ["support"],
        "claims": {"role": "lead"},
        "tenant": "acme",
        "agent": "bot",
        "issuer": "https://idp",
    }
    assert case["facts"] == {"risk": {"score": 3}}
    assert case["time"] == "2026-09-21T14:13:20.000000Z"
    assert case["name"] == "justified (ada, call c50)"
    assert results(found, OLD) == [True]


def test_what_cannot_be_a_case_is_said() -> None:
    found = export(
        [
            judged(Judgement.JUSTIFIED, 1, Ruling.PERMIT, hidden=(("input", "x"),)),
            judged(Judgement.JUSTIFIED, 2, Ruling.PERMIT, knows_claims=False),
            judged(Judgement.OVER_BLOCKED, 3, Ruling.PERMIT),
            judged(Judgement.JUSTIFIED, 4, Ruling.PERMIT),
            judged(Judgement.JUSTIFIED, 5, Ruling.PERMIT, tool=WIDER),
            Judged(
                verdict=ReviewVerdict(about="c6", verdict=Judgement.JUSTIFIED, author="ada"),
                decision=None,
                problem="policy was not asked",
            ),
        ]
    )

    assert found.count == 1
    assert [sentence.partition(":")[0] for sentence in found.left] == [
        "call c1",
        "call c2",
        "call c3",
        "call c5",
        "call c6",
    ]
    assert "something else" in found.left[2]


def test_hostile_notes_and_arguments_are_read_again_as_they_are() -> None:
    note = HOSTILE.replace("\ud800", "").replace("\x00", "")
    found = export([judged(Judgement.JUSTIFIED, 50, Ruling.PERMIT, note)])

    assert results(found, OLD) == [True]
    assert len(found.suite["cases"][0]["name"]) <= 120
