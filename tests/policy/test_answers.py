"""What Cedar answers is read as the verdict it is; an error anywhere refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.model import Verdict
from callgate.policy import answers
from callgate.policy.answers import NO_PERMIT, Verdicts, verdict_of
from callgate.policy.source import read_policies

POLICIES = read_policies(
    [
        (
            "p",
            '@id("p") @reason("inner") permit(principal, action, resource);'
            '@id("f") @reason("No.") forbid(principal, action, resource);',
        )
    ]
)


def read(decision: str, *reason: str, errors: tuple[str, ...] = ()) -> Verdict:
    answer: dict[str, Any] = {"reason": reason, "errors": errors}
    raw = json.dumps({"decision": decision, "diagnostics": answer, "metrics": {}})
    return verdict_of(raw, {policy.id: policy for policy in POLICIES}, "v1")


def test_a_permit_names_its_policies_and_offers_no_advice() -> None:
    assert read("Allow", "p") == Verdict(
        is_permitted=True,
        policies=("p",),
        places=("p:1",),
        reason="permitted by p",
        version="v1",
    )


def test_a_forbid_offers_its_own_advice_only() -> None:
    assert read("Deny", "p", "f") == Verdict(
        is_permitted=False,
        policies=("f", "p"),
        places=("p:1", "p:1"),
        reason="forbidden by f, p",
        advice="No.",
        version="v1",
    )


def test_nothing_that_permits_is_said_so() -> None:
    assert read("Deny").reason == NO_PERMIT


@pytest.mark.parametrize("decision", ["Allow", "Deny", "NoDecision"])
def test_an_error_refuses_and_the_failing_policy_is_named(decision: str) -> None:
    verdict = read(decision, errors=("error while evaluating policy `f`: overflow",))

    assert not verdict.is_permitted
    assert verdict.reason == "evaluation failed in f; a failing policy refuses"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Allow", "Deny", "NoDecision"]),
            st.lists(st.sampled_from(["p", "f", "other"]), unique=True),
            st.lists(st.just("error while evaluating policy `f`: overflow"), max_size=1),
            st.sampled_from(["v1", "v2"]),
        )
    )
)
def test_verdicts_that_are_remembered_are_the_same(told: list[Any]) -> None:
    by_id = {policy.id: policy for policy in POLICIES}
    verdicts = Verdicts(by_id)
    for decision, reason, errors, version in told:
        diagnostics = {"reason": reason, "errors": errors}
        raw = json.dumps({"decision": decision, "diagnostics": diagnostics, "metrics": {}})

        assert verdicts.of(raw, version) == verdict_of(raw, by_id, version)


def test_verdicts_that_are_remembered_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_OUTCOMES", 1)
    verdicts = Verdicts({})
    for reason in ("a", "b", "a"):
        raw = json.dumps({"decision": "Deny", "diagnostics": {"reason": [reason], "errors": []}})

        assert verdicts.of(raw, "v").policies == (reason,)
        assert len(verdicts._known) == 1


def test_a_request_that_is_not_valid_is_refused_in_words() -> None:
    problem = "failed to build request: expected the record to have an attribute `a`"
    raw = json.dumps({"decision": "NoDecision", "diagnostics": {"errors": [problem]}})

    verdict = verdict_of(raw, {}, "v1")

    assert (verdict.is_permitted, verdict.policies, verdict.errors) == (False, (), (problem,))
