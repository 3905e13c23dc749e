from typing import Any

import pytest

from callgate.authoring.grounding import Ground
from callgate.authoring.replies import ProposedCase, ProposedPrincipal, ReplyError
from callgate.authoring.trials import cases_of, tried
from callgate.policy.cases import Ruling
from callgate.policy.names import Names
from callgate.policy.source import Policy, read_policies
from callgate.protocol.validators import Validators
from fakes.calls import a_tool

fits = Validators().validate
FORBID = """@id("limit") @mode("shadow") forbid(principal, action, resource)
when { context.input.amount > 1000 } unless { principal in Callgate::Group::"finance" };"""
PERMIT = """@id("limit") @mode("shadow")
permit(principal in Callgate::Group::"finance", action, resource)
when { context.input.amount < 1000 };"""
ALL = '@id("all") permit(principal, action, resource);'
NOTHING = '@id("closed") forbid(principal, action, resource);'


def a_ground(*texts: str) -> Ground:
    policies = read_policies((f"p{n}", text) for n, text in enumerate(texts))
    return Ground(names=Names(), tools=(a_tool(),), policies=policies)


def drafted(text: str) -> Policy:
    (policy,) = read_policies([("draft", text)])
    return policy


def a_case(amount: Any, expect: str, *groups: str, **more: Any) -> ProposedCase:
    given = {"customer": "c", "amount": amount}
    settings: dict[str, Any] = {"tool": "shop___refund", "arguments": given, **more}
    principal = ProposedPrincipal(id="ada", groups=groups)
    return ProposedCase(name=f"{amount}", principal=principal, expect=expect, **settings)


def outcome(ground: Ground, policy: str, case: ProposedCase) -> tuple[Ruling, bool, bool]:
    (trial,) = tried(ground, drafted(policy), cases_of(ground, [case], fits), fits)
    return trial.result.ruled.ruling, trial.is_contradiction, trial.is_ours


def test_a_shadow_policy_is_tried_as_if_it_decided() -> None:
    ground = a_ground(ALL)

    assert outcome(ground, FORBID, a_case(1001, "refuse")) == (Ruling.REFUSE, False, False)
    assert outcome(ground, FORBID, a_case(1000, "permit")) == (Ruling.PERMIT, False, False)
    assert outcome(ground, FORBID, a_case(5000, "permit", "finance"))[0] is Ruling.PERMIT


@pytest.mark.parametrize(
    ("in_force", "policy", "case", "expected"),
    [
        # The drafted forbid refuses what was to go through, or misses what was not.
        (ALL, FORBID, a_case(1001, "permit"), (Ruling.REFUSE, True, True)),
        (ALL, FORBID, a_case(1000, "refuse"), (Ruling.PERMIT, True, True)),
        # The drafted permit lets through what was not to, or misses what was.
        ("", PERMIT, a_case(5, "refuse", "finance"), (Ruling.PERMIT, True, True)),
        ("", PERMIT, a_case(1000, "permit", "finance"), (Ruling.REFUSE, True, True)),
        # Others decide: no change of the drafted one would help.
        ("", FORBID, a_case(5, "permit"), (Ruling.REFUSE, True, False)),
        (NOTHING + ALL, FORBID, a_case(5, "permit"), (Ruling.REFUSE, True, False)),
        (NOTHING, PERMIT, a_case(5, "permit", "finance"), (Ruling.REFUSE, True, False)),
        (ALL, PERMIT, a_case(5, "refuse"), (Ruling.PERMIT, True, False)),
    ],
)
def test_a_contradiction_says_whose_doing_it_is(
    in_force: str, policy: str, case: ProposedCase, expected: Any
) -> None:
    ground = a_ground(*([in_force] if in_force else []))

    assert outcome(ground, policy, case) == expected


def test_a_policy_that_fails_is_to_blame() -> None:
    failing = FORBID.replace("amount > 1000", "amount * 9223372036854775807 > 1000")

    assert outcome(a_ground(ALL), failing, a_case(5, "permit")) == (Ruling.ERROR, True, True)


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (a_case(5, "permit", tool="shop___refnd"), "case 1: no tool is called 'shop___refnd'"),
        (a_case(5, "permit", tool="refund"), "names are target___tool"),
        (a_case("5", "permit"), "case 1: the arguments do not fit shop___refund: /amount"),
        (a_case(5, "permit", arguments={}), "/customer is required"),
    ],
)
def test_a_case_that_cannot_be_a_call_is_told_why(case: ProposedCase, problem: str) -> None:
    with pytest.raises(ReplyError, match=problem):
        cases_of(a_ground(), [case], fits)
