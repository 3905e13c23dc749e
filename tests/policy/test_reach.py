"""Reach: what is decided whatever the arguments, and what the rest depends on."""

from itertools import product
from typing import Any

import pytest

from callgate.model import Principal
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.reach import Known, Reach, Reachable, reach, ways, who
from callgate.policy.source import Scope, read_policies
from callgate.protocol.methods import method_tool
from fakes.calls import a_principal, a_tool

POLICIES = """
@id("support") permit(principal in Callgate::Group::"support",
  action == Callgate::Action::"shop___refund", resource)
  when { context.input.amount < 100 && principal has agent && context.input.customer != "x" };
@id("leads") permit(principal in Callgate::Group::"leads", action, resource);
@id("never") forbid(principal is Callgate::UnauthenticatedUser, action, resource);
@id("large") forbid(principal, action == Callgate::Action::"shop___refund", resource)
  when { context.input.amount > 1000 } unless { principal.hasTag("vip") };
@id("trial") @mode("shadow") forbid(principal, action, resource);
"""
SAM = a_principal("sam", "support", agent="desk")
LEA = a_principal("lea", "leads")


def engine(text: str = POLICIES) -> Engine:
    return Engine(read_policies([("p.cedar", text)]), Names(), {"risk": {"score": "integer"}})


def reached(principal: Principal, text: str = POLICIES, **known: Any) -> Reachable:
    return reach(engine(text), a_tool(), Known(principal=principal, **known))


def conditions(found: Reachable) -> tuple[list[str], list[str]]:
    return [way.conditions for way in found.permits], [way.conditions for way in found.forbids]


def test_what_is_known_of_the_principal_is_not_said_again() -> None:
    found = reached(SAM)

    assert found.reach is Reach.DEPENDS
    assert conditions(found) == (
        ['when context.input.amount < 100 and context.input.customer != "x"'],
        ["when context.input.amount > 1000"],
    )


def test_a_principal_without_what_a_permit_asks_for_is_refused() -> None:
    found = reached(a_principal("eve", "support"))

    assert (found.reach, found.reason) == (Reach.REFUSED, "no policy permits this call")


def test_what_no_forbid_can_take_away_is_permitted() -> None:
    assert reached(a_principal("lea", "leads", claims={"vip": True})).reach is Reach.PERMITTED
    assert reached(LEA).reach is Reach.DEPENDS


def test_a_forbid_that_always_applies_refuses() -> None:
    found = reached(Principal(id="x", issuer="callgate", kind="anonymous", groups=("leads",)))

    assert (found.reach, found.reason) == (Reach.REFUSED, "forbidden by never")


def test_a_shadow_policy_decides_nothing() -> None:
    assert all(way.policy != "trial" for way in reached(LEA).forbids)


def test_arguments_that_are_known_narrow_what_it_depends_on() -> None:
    assert conditions(reached(SAM, arguments={"amount": 5})) == (
        ['when context.input.customer != "x"'],
        [],
    )
    assert reached(SAM, arguments={"amount": 5, "customer": "y"}).reach is Reach.PERMITTED
    assert reached(SAM, arguments={"amount": 500}).reach is Reach.REFUSED
    assert reached(LEA, arguments={"amount": 5000}).reason == "forbidden by large"


def test_an_optional_argument_that_is_not_known_may_be_there_or_not() -> None:
    text = "permit(principal, action, resource) when { context.input has note };"

    assert reached(SAM, text, arguments={"amount": 5}).reach is Reach.DEPENDS
    assert reached(SAM, text, arguments={"note": "a"}).reach is Reach.PERMITTED


def test_conditions_that_contradict_each_other_are_seen_through_where_evaluation_does() -> None:
    text = (
        "permit(principal, action, resource) when { context.input.amount == 5 };"
        "forbid(principal, action, resource) unless { context.input.amount == 6 };"
    )

    assert reached(SAM, text, arguments={"amount": 5}).reach is Reach.REFUSED


def test_the_time_stays_open_until_it_is_said() -> None:
    text = (
        'permit(principal, action, resource) when { context.system.now < datetime("2027-01-01") };'
    )

    assert reached(SAM, text).reach is Reach.DEPENDS
    assert reached(SAM, text, now=1_700_000_000.0).reach is Reach.PERMITTED
    assert reached(SAM, text, now=1_900_000_000.0).reach is Reach.REFUSED


def test_facts_of_interceptors_stay_open() -> None:
    text = "permit(principal, action, resource) when { context.enriched.risk has score };"

    assert conditions(reached(SAM, text))[0] == ["when context.enriched.risk has score"]


def test_a_policy_that_does_not_fit_refuses() -> None:
    text = "permit(principal, action, resource) when { context.input.nothing == 5 };"

    assert reached(SAM, text).reason.endswith("does not fit the tool's schema")


def test_a_list_is_permitted_unless_it_is_forbidden() -> None:
    tool = method_tool("shop", "tools/list")

    assert reach(engine(), tool, Known(principal=SAM)).reach is Reach.PERMITTED
    text = 'forbid(principal, action in Callgate::Action::"tools/list", resource);'
    assert reach(engine(text), tool, Known(principal=SAM)).reach is Reach.REFUSED


@pytest.mark.parametrize("identifier", ['a"b', "a\\b", "ä", "a\nb"])
def test_a_name_that_cannot_be_put_as_text_leaves_everything_open(identifier: str) -> None:
    condition = "principal has agent && context.input.amount < 5"
    found = reached(
        a_principal(identifier, agent="bot"),
        f"permit(principal, action, resource) when {{{condition}}};",
    )

    assert found.reach is Reach.DEPENDS
    assert conditions(found)[0] == ["when principal has agent and context.input.amount < 5"]


def test_without_a_principal_everybody_whom_scopes_mean_is_said() -> None:
    permits, forbids = ways(engine(), a_tool(), Known(arguments={"amount": 5}))

    assert [(way.policy, way.who, way.conditions) for way in permits] == [
        ("support", "members of support",
         'when principal has agent and context.input.customer != "x"'),
        ("leads", "members of leads", ""),
    ]  # fmt: skip
    assert [(way.policy, way.who) for way in forbids] == [("never", "every UnauthenticatedUser")]


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(op="All"), "everybody"),
        (Scope(op="==", uids=(("Callgate::OAuthUser", "ada"),)), "OAuthUser ada"),
        (Scope(op="in", uids=(("Callgate::Group", "g"),)), "members of g"),
        (Scope(op="is", entity_type="Callgate::OAuthUser"), "every OAuthUser"),
        (
            Scope(op="is", entity_type="C::OAuthUser", uids=(("C::Group", "g"),)),
            "every OAuthUser in g",
        ),
    ],
)
def test_a_scope_has_words(scope: Scope, words: str) -> None:
    assert who(scope) == words


AMOUNTS, CUSTOMERS, NOTES = (1, 100, 101, 2000), ("x", "y"), (None, "n")


@pytest.mark.parametrize("principal", [SAM, LEA, a_principal("eve", "support"), a_principal("zoe")])
def test_what_is_permitted_or_refused_is_so_for_every_call(principal: Principal) -> None:
    held = engine()
    found = reach(held, a_tool(), Known(principal=principal)).reach
    verdicts = set()
    for amount, customer, note in product(AMOUNTS, CUSTOMERS, NOTES):
        arguments = {"amount": amount, "customer": customer}
        arguments |= {"note": note} if note is not None else {}
        question = Question(
            principal=principal, tool=a_tool(), arguments=arguments, enriched={}, now=0.0
        )
        verdicts.add(held.authorize(question).is_permitted)

    assert (found is Reach.PERMITTED) == (verdicts == {True})
    assert (found is Reach.REFUSED) == (verdicts == {False})
