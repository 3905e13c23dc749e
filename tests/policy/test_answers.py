"""What Cedar answers is read as the verdict it is; an error anywhere refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.model import Verdict
from callgate.policy.answers import NO_PERMIT, verdict_of
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
