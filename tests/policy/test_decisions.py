"""The Python API: the same answers as the gateway's, from a text and some schemas."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callgate.policy
from callgate.model import Json
from callgate.policy import PolicyError, PolicySet, Verdict, decisions, principal, tool
from callgate.policy.names import Names
from callgate.protocol.methods import METHODS, method_tool

DOCS = Path(__file__).parents[2] / "docs"
TEXT = """
@id("finance") permit (
    principal in Callgate::Group::"finance",
    action == Callgate::Action::"shop___refund",
    resource
);
@id("limit") @reason("Ask a second person.")
forbid (principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount >= 1000 };
@id("by-day") permit (principal, action == Callgate::Action::"shop___look", resource)
when { context.system.now < datetime("2026-01-01T00:00:00Z") };
@id("no-lists-for-eve") forbid (
    principal == Callgate::OAuthUser::"eve", action in Callgate::Action::"tools/list", resource
);
"""
REFUND = tool(
    "shop___refund",
    {
        "type": "object",
        "properties": {"amount": {"type": "integer", "minimum": 0}, "note": {}},
        "required": ["amount"],
    },
)
LOOK = tool("shop___look")
ADA = principal("ada", groups=["finance"])
BOB = principal("bob")


@pytest.fixture
def policies() -> PolicySet:
    return PolicySet.from_text(TEXT)


def test_a_decision_says_why_and_where(policies: PolicySet) -> None:
    assert policies.decide(ADA, REFUND, {"amount": 999}) == Verdict(
        is_permitted=True,
        policies=("finance",),
        places=("policies.cedar:2",),
        reason="permitted by finance",
        version=policies.version,
    )
    assert policies.decide(ADA, REFUND, {"amount": 1000}) == Verdict(
        is_permitted=False,
        policies=("limit",),
        places=("policies.cedar:7",),
        reason="forbidden by limit",
        advice="Ask a second person.",
        version=policies.version,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (None, "/amount is required."),
        ({"amount": "1"}, "/amount"),
        ({"amount": -1}, "/amount"),
        ({"amount": 1, "note": {"__entity": {"type": "a", "id": "b"}}}, "'__entity' is reserved"),
    ],
)
def test_arguments_that_the_tool_would_not_take_are_refused(
    policies: PolicySet, arguments: dict[str, Json] | None, said: str
) -> None:
    verdict = policies.decide(ADA, REFUND, arguments)

    assert (verdict.is_permitted, said in verdict.reason) == (False, True)
    assert policies.explain(ADA, REFUND, arguments).verdict == verdict


def test_an_account_goes_through_the_clauses_and_says_what_would_change_it(
    policies: PolicySet,
) -> None:
    account = policies.explain(ADA, REFUND, {"amount": 1000})

    assert account.verdict == policies.decide(ADA, REFUND, {"amount": 1000})
    assert [one.policy for one in account.policies] == ["limit", "finance"]
    assert account.policies[0].clauses[0].values == {"context.input.amount": 1000}
    assert account.near[0].policy == "limit"


def test_what_some_arguments_could_permit_is_listed(policies: PolicySet) -> None:
    assert policies.may_list(ADA, REFUND)
    assert not policies.may_list(BOB, REFUND)


def test_a_list_needs_no_permit_only_no_forbid(policies: PolicySet) -> None:
    lists = tool("shop___tools/list")

    for identifier, is_permitted in (("ada", True), ("eve", False)):
        who = principal(identifier)
        assert policies.decide(who, lists).is_permitted is is_permitted
        assert policies.may_list(who, lists) is is_permitted
        assert policies.explain(who, lists).verdict.is_permitted is is_permitted


def test_a_policy_that_reads_the_time_must_be_told_it(policies: PolicySet) -> None:
    before = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)

    assert policies.decide(ADA, LOOK, at=before).is_permitted
    assert not policies.decide(ADA, LOOK, at=before + timedelta(minutes=1)).is_permitted
    assert policies.decide(ADA, LOOK, at=before.astimezone(timezone(timedelta(hours=9))))
    for ask in (policies.decide, policies.may_list, policies.explain):
        with pytest.raises(ValueError, match="a policy reads the time of shop___look"):
            ask(ADA, LOOK)
    with pytest.raises(ValueError, match="needs a time zone"):
        policies.decide(ADA, LOOK, at=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_facts_of_interceptors_may_be_given() -> None:
    policies = PolicySet(
        [("p", '@id("r") permit(principal, action, resource)'
               " when { context.enriched.risk has score && context.enriched.risk.score < 5 };")],
        enrichments={"risk": {"score": "integer"}},
    )  # fmt: skip

    for score, is_permitted in ((4, True), (5, False)):
        verdict = policies.decide(ADA, LOOK, enriched={"risk": {"score": score}})
        assert verdict.is_permitted is is_permitted
    assert not policies.decide(ADA, LOOK).is_permitted


def test_another_namespace_may_be_used() -> None:
    text = 'permit(principal, action, resource == Shop::Gateway::"till");'
    policies = PolicySet([("p", text)], names=Names(namespace="Shop", gateway="till"))

    assert policies.decide(ADA, LOOK).is_permitted


def test_findings_name_the_policy_and_its_place(policies: PolicySet) -> None:
    assert policies.check([REFUND, LOOK]) == []

    (found,) = policies.check([REFUND])
    assert (found.policy, found.source, found.line) == ("by-day", "policies.cedar", 10)
    assert "shop___look" in found.message


def test_policies_are_read_from_files_under_their_names(tmp_path: Path) -> None:
    one, other = tmp_path / "one.cedar", tmp_path / "other.cedar"
    one.write_text("permit(principal, action, resource);", "utf-8")
    other.write_text("\nforbid(principal, action, resource);", "utf-8")

    policies = PolicySet.from_files(one, str(other))

    assert [(policy.id, policy.place) for policy in policies.policies] == [
        ("one.cedar#1", "one.cedar:1"),
        ("other.cedar#1", "other.cedar:2"),
    ]


def test_a_text_that_cannot_be_used_is_refused_with_its_place() -> None:
    with pytest.raises(PolicyError, match=r"a\.cedar:2") as caught:
        PolicySet.from_text("\npermit(principal, action resource);", "a.cedar")

    assert caught.value.line == 2


@pytest.mark.parametrize("name", ["refund", "", "___", "shop___", "___refund", "shop__refund"])
def test_a_name_that_is_no_tool_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="<target>___<tool>"):
        tool(name)


@pytest.mark.parametrize("schema", [{"type": "array"}, {"type": "string"}])
def test_a_schema_that_no_tool_can_have_is_refused(schema: dict[str, Json]) -> None:
    with pytest.raises(ValueError, match=r"The tool shop___x has an input schema"):
        tool("shop___x", schema)


def test_a_method_of_mcp_has_its_own_schema() -> None:
    assert tool("shop___resources/read") == method_tool("shop", "resources/read")
    with pytest.raises(ValueError, match="leave out the schema"):
        tool("shop___resources/read", {"type": "object"})
    assert all(tool(f"shop___{name}") for name in METHODS if name != "tools/call")


def test_the_issuer_is_the_one_of_the_claims() -> None:
    assert principal("ada", claims={"iss": "https://idp"}).issuer == "https://idp"
    assert principal("ada", claims={"iss": 7}).issuer == ""
    assert principal("ada", is_anonymous=True).kind == "anonymous"


@given(amount=st.integers(-5, 2000), is_member=st.booleans())
def test_a_decision_is_the_policy_and_the_schema_and_nothing_else(
    amount: int, is_member: bool
) -> None:
    who = ADA if is_member else BOB
    verdict = _SET.decide(who, REFUND, {"amount": amount})

    assert verdict.is_permitted is (is_member and 0 <= amount < 1000)


_SET = PolicySet.from_text(TEXT)


def test_the_package_offers_the_api_and_nothing_else() -> None:
    assert callgate.policy.__all__ == decisions.__all__
    assert all(getattr(callgate.policy, name) for name in callgate.policy.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        callgate.policy.nothing  # noqa: B018 - what is tested


def test_the_api_brings_no_part_of_a_running_gateway_with_it() -> None:
    program = (
        "import sys, callgate.policy; callgate.policy.PolicySet;"
        "print(sorted({m.split('.')[1] for m in sys.modules if m.startswith('callgate.')}"
        " & {'app', 'cli', 'control', 'downstream', 'upstream', 'storage', 'pipeline'}),"
        " {'asyncio', 'sqlalchemy', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("[] set()\n", "")


def test_the_examples_in_the_documentation_are_true() -> None:
    text = (DOCS / "pdp.md").read_text("utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    session = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "pdp.md", "pdp.md", 0)
    told: list[str] = []

    result = doctest.DocTestRunner(verbose=False).run(session, out=told.append)

    assert (result.failed, "".join(told)) == (0, "")
    assert result.attempted > 10
