"""An account fits into a record."""

from callgate.model import Verdict
from callgate.policy.account import (
    Account,
    Clause,
    ClauseAccount,
    NearMiss,
    PolicyAccount,
    State,
    brief,
)

CLAUSE = Clause(number=1, kind="when", text="context.a < 1", line=3, column=5, est={})
POLICY = PolicyAccount(
    policy="p",
    source="f.cedar",
    line=2,
    effect="permit",
    mode="active",
    state=State.UNSATISFIED,
    clauses=(ClauseAccount(clause=CLAUSE, holds=False, values={"context.a": 5}),),
)


def test_an_account_is_told_as_json() -> None:
    account = Account(
        verdict=Verdict(is_permitted=False),
        policies=(POLICY,),
        near=(NearMiss(policy="p", change="context.a < 1", clause=CLAUSE),),
    )

    assert brief(account) == {
        "policies": [
            {
                "id": "p",
                "place": "f.cedar:2",
                "effect": "permit",
                "mode": "active",
                "state": "unsatisfied",
                "clauses": [
                    {
                        "kind": "when",
                        "text": "context.a < 1",
                        "line": 3,
                        "holds": False,
                        "values": {"context.a": 5},
                        "error": "",
                    }
                ],
            }
        ],
        "near": [{"policy": "p", "change": "context.a < 1"}],
    }


def test_a_long_account_is_cut() -> None:
    account = Account(verdict=Verdict(is_permitted=False), policies=(POLICY,) * 100)

    assert len(brief(account)["policies"]) == 12
