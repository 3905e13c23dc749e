"""Cases: what is expected, what comes out, and what a refusal is worth."""

from typing import Any

import pytest

from callgate.model import Tool
from callgate.policy.cases import Case, Expectation, Ruling, run
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.methods import method_tool
from callgate.protocol.validators import Validators
from fakes.calls import a_principal, a_tool

POLICIES = """
@id("refunds") permit(principal in Callgate::Group::"support",
  action == Callgate::Action::"shop___refund", resource);
@id("large") @reason("Ask a lead.") forbid(principal, action, resource)
  when { context.input.amount > 100 };
"""
SAM = a_principal("sam", "support")


def a_case(ruling: Ruling, *, tool: Tool | None = None, **more: Any) -> Case:
    expected = {key: more.pop(key) for key in ("policies", "reason", "advice") if key in more}
    settings: dict[str, Any] = {
        "name": "n",
        "suite": "s.yaml",
        "line": 3,
        "principal": SAM,
        "tool": tool or a_tool(),
        "arguments": {"customer": "c", "amount": 50},
        "facts": {},
        "now": 0.0,
        "expected": Expectation(ruling=ruling, **expected),
        **more,
    }
    return Case(**settings)


def problems(case: Case, policies: str = POLICIES) -> tuple[str, ...]:
    engine = Engine(read_policies([("p.cedar", policies)]), Names())
    return run(engine, case, Validators().validate).problems


LARGE = {"customer": "c", "amount": 101}


@pytest.mark.parametrize(
    "case",
    [
        a_case(Ruling.PERMIT, policies=("refunds",), reason="permitted by refunds"),
        a_case(Ruling.REFUSE, arguments=LARGE, policies=("large",), advice="Ask a lead"),
        a_case(Ruling.REFUSE, principal=a_principal("eve"), policies=(), reason="no policy permits"),
        a_case(Ruling.INVALID, arguments={"customer": "c"}, reason="/amount is required"),
        a_case(Ruling.INVALID, arguments={**LARGE, "__extn": {}}, reason="reserved"),
        a_case(Ruling.PERMIT, tool=method_tool("shop", "tools/list"), arguments={}),
    ],
)  # fmt: skip
def test_what_comes_out_as_expected_has_no_problems(case: Case) -> None:
    assert problems(case) == ()


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            a_case(Ruling.REFUSE),
            "expected refuse, but the call is permitted: permitted by refunds",
        ),
        (
            a_case(Ruling.PERMIT, arguments=LARGE),
            "expected permit, but the call is refused: forbidden by large",
        ),
        (
            a_case(Ruling.REFUSE, arguments=LARGE, policies=("refunds",)),
            "expected to be decided by refunds, but large decided",
        ),
        (
            a_case(Ruling.REFUSE, arguments=LARGE, advice="Ask nobody"),
            "expected the advice to say 'Ask nobody', but it is 'Ask a lead.'",
        ),
        (
            a_case(Ruling.PERMIT, advice="x"),
            "expected the advice to say 'x', but there is none",
        ),
        (
            a_case(Ruling.PERMIT, reason="magic"),
            "expected the reason to say 'magic', but it is 'permitted by refunds'",
        ),
    ],
)
def test_what_comes_out_otherwise_is_said(case: Case, said: str) -> None:
    assert problems(case) == (said,)


def test_arguments_that_do_not_fit_are_no_refusal_by_policy() -> None:
    (said,) = problems(a_case(Ruling.REFUSE, arguments={"amount": "many"}))

    assert said.startswith("expected refuse, but the arguments do not fit the tool")


@pytest.mark.parametrize(
    ("condition", "arguments"),
    [
        ("context.input.amount + 9223372036854775807 > 0", {}),  # overflows
        ("context.input.note == 3", {}),  # does not type-check
        ("context.input.amount > 0", {"amount": 2**63}),  # has no exact form
    ],
)
def test_a_refusal_because_a_policy_failed_is_no_refusal_by_policy(
    condition: str, arguments: dict[str, Any]
) -> None:
    text = POLICIES + f'@id("x") forbid(principal, action, resource) when {{ {condition} }};'
    arguments = {"customer": "c", "amount": 50, **arguments}

    (said,) = problems(a_case(Ruling.REFUSE, arguments=arguments), text)
    assert said.startswith("expected refuse, but the call is refused because a policy failed")
    assert problems(a_case(Ruling.ERROR, arguments=arguments), text) == ()


def test_a_list_is_refused_only_by_a_forbid() -> None:
    text = 'forbid(principal, action == Callgate::Action::"shop___tools/list", resource);'
    tool = method_tool("shop", "tools/list")

    assert problems(a_case(Ruling.REFUSE, tool=tool, arguments={}), text) == ()


def test_a_case_must_say_when_where_a_policy_reads_the_time() -> None:
    text = POLICIES + (
        '@id("late") forbid(principal, action, resource)'
        ' when { context.system.now > datetime("2030-01-01") };'
    )

    (said,) = problems(a_case(Ruling.PERMIT, now=None), text)
    assert said.endswith("give it `time`")
    assert problems(a_case(Ruling.PERMIT, now=None)) == ()
    assert problems(a_case(Ruling.PERMIT, now=1_800_000_000.0), text) == ()
    assert problems(a_case(Ruling.REFUSE, now=2_000_000_000.0, policies=("late",)), text) == ()


def test_facts_of_interceptors_are_seen() -> None:
    text = "permit(principal, action, resource) when { context.enriched.risk has score };"
    engine = Engine(read_policies([("p", text)]), Names(), {"risk": {"score": "integer"}})
    case = a_case(Ruling.PERMIT, facts={"risk": {"score": 3}})

    assert run(engine, case, Validators().validate).is_passed
