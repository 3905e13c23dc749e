"""What policies read of a question is found, and what to try there."""

from callgate.policy.decisions import principal, tool
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.openings import Openings
from callgate.policy.places import Place
from callgate.policy.source import read_policies

TEXT = """
permit(principal in Callgate::Group::"support", action == Callgate::Action::"shop___refund", resource)
when { context.input.amount <= context.input.limit && context.enriched.risk.score < 5 }
unless { principal.hasTag("role") && principal.getTag("role") == "trainee" };

permit(principal in Callgate::Group::"leads", action == Callgate::Action::"shop___refund", resource)
when { principal has tenant && principal.tenant == "acme" && principal in Callgate::Group::"board" };

permit(principal == Callgate::OAuthUser::"lea", action == Callgate::Action::"shop___refund", resource);
permit(principal == Callgate::UnauthenticatedUser::"anybody", action, resource);

permit(principal, action == Callgate::Action::"shop___other", resource)
when { context.input.secret == "x" };
"""
TOOL = tool(
    "shop___refund",
    {
        "type": "object",
        "properties": {"amount": {"type": "integer"}, "limit": {"type": "integer"}},
        "required": ["amount", "limit"],
    },
)


def openings() -> Openings:
    engine = Engine(read_policies([("p.cedar", TEXT)]), Names(), {"risk": {"score": "integer"}})
    question = Question(
        principal=principal("sam", groups=["support"], claims={"role": "clerk"}),
        tool=TOOL,
        arguments={"amount": 5, "limit": 70},
        enriched={"risk": {"score": 2}},
        now=0.0,
    )
    return Openings(engine, question)


def test_arguments_facts_and_claims_are_those_of_policies_in_scope() -> None:
    found = openings()

    assert set(found.arguments_and_facts()) == {
        Place("fact", ("risk", "score")),
        Place("argument", ("amount",)),
        Place("argument", ("limit",)),
    }
    assert found.claims() == ["role"]


def test_an_argument_is_tried_around_what_it_is_compared_with() -> None:
    values = openings().values()

    assert {69, 70, 71} <= set(values[Place("argument", ("amount",))])
    assert {4, 6} <= set(values[Place("argument", ("limit",))])
    assert {4, 5, 6} <= set(values[Place("fact", ("risk", "score"))])


def test_claims_groups_and_tenants_are_those_that_any_policy_for_the_tool_looks_for() -> None:
    values = openings().values()

    assert "trainee" in values[Place("claim", ("role",))]
    assert "acme" in values[Place("tenant")]
    assert values[Place("group", ("support",))] == [False]
    assert values[Place("group", ("leads",))] == [True]
    assert values[Place("group", ("board",))] == [True]
    assert values[Place("principal")] == ["lea"]
