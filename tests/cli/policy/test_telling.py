"""An account in lines."""

from callgate.cli.policy.telling import told, value_text
from callgate.model import Verdict
from callgate.policy.account import (
    Account,
    Clause,
    ClauseAccount,
    NearMiss,
    PolicyAccount,
    State,
)


def a_clause(kind: str, text: str) -> Clause:
    return Clause(number=1, kind=kind, text=text, line=1, column=1, est={})


def test_policies_clauses_and_near_misses_have_a_line_each() -> None:
    account = Account(
        verdict=Verdict(is_permitted=False),
        policies=(
            PolicyAccount(
                policy="a",
                source="s.cedar",
                line=4,
                effect="forbid",
                mode="active",
                state=State.SATISFIED,
                clauses=(
                    ClauseAccount(
                        clause=a_clause("when", "context.input.x\n   > 5"),
                        holds=True,
                        values={"context.input.x": 7},
                    ),
                    ClauseAccount(clause=a_clause("unless", "y"), holds=None, error="overflow"),
                ),
            ),
            PolicyAccount(
                policy="b",
                source="s.cedar",
                line=9,
                effect="permit",
                mode="shadow",
                state=State.UNSATISFIED,
                clauses=(),
            ),
        ),
        near=(NearMiss(policy="a", change="context.input.x <= 5"),),
    )

    assert list(told(account, lambda source: f"policies/{source}")) == [
        "forbid a (policies/s.cedar:4) applies",
        "  true   when context.input.x > 5   [context.input.x = 7]",
        "  -      unless y   overflow",
        "shadow permit b (policies/s.cedar:9) does not apply",
        "would be permitted if context.input.x <= 5 (a)",
    ]


def test_where_nothing_is_in_scope_that_is_said() -> None:
    account = Account(verdict=Verdict(is_permitted=False), policies=())

    assert list(told(account, str)) == ["no policy is in scope"]


def test_values_cannot_fool_the_terminal_and_are_not_endless() -> None:
    assert value_text("\x1b[31m\u202e") == '"\\u001b[31m\\u202e"'
    assert len(value_text("x" * 1000)) == 120
