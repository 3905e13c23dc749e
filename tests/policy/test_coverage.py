"""Coverage: a policy is seen at work, a clause is seen both ways."""

from callgate.model import Principal
from callgate.policy.coverage import coverage
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.calls import a_principal, a_tool

TEXT = """
@id("small") permit(principal in Callgate::Group::"support", action, resource)
  when { context.input.amount < 10 && context.input.customer == "a" }
  unless { principal has tenant };
@id("never") forbid(principal, action == Callgate::Action::"git___log", resource);
"""
SAM = a_principal("sam", "support")


def covered(*calls: tuple[Principal, int, str]) -> list[tuple[bool, bool, list[str | None]]]:
    policies = read_policies([("p.cedar", TEXT)])
    engine = Engine(policies, Names())
    accounts = [
        engine.examine(
            Question(
                principal=principal,
                tool=a_tool(),
                arguments={"amount": amount, "customer": customer},
                enriched={},
                now=0.0,
            )
        )
        for principal, amount, customer in calls
    ]
    found = coverage(policies, accounts)
    assert found.percent == round(100 * sum(p.seen for p in found.policies) / 8, 10)
    return [
        (one.is_in_scope, one.has_applied, [clause.missing for clause in one.clauses])
        for one in found.policies
    ]


def test_without_cases_nothing_is_covered() -> None:
    assert covered() == [(False, False, ["never reached"] * 3), (False, False, [])]


def test_a_clause_is_covered_once_it_was_seen_both_ways() -> None:
    assert covered((SAM, 5, "a"), (SAM, 50, "a")) == [
        (True, True, [None, "never seen false", "never seen false"]),
        (False, False, []),
    ]


def test_all_of_a_policy_can_be_covered() -> None:
    tenant = a_principal("tim", "support", tenant="t")
    first, _ = covered((SAM, 5, "a"), (SAM, 50, "a"), (SAM, 5, "b"), (tenant, 5, "a"))

    assert first == (True, True, [None, None, None])


def test_a_set_without_policies_is_covered() -> None:
    assert coverage([], []).percent == 100.0
