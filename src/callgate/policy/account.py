"""Why a verdict is as it is: which policies and clauses decided, on which values, how nearly."""

from __future__ import annotations

from enum import StrEnum

from callgate.model import Json, Value, Verdict


class Clause(Value):
    """One condition of a policy that can hold or not: a conjunct of a `when`, or an `unless`."""

    number: int  # from 1, in the order of the text
    kind: str  # when | unless
    text: str  # as written: `context.input.amount < 1000`
    line: int  # in the file, from 1
    column: int  # from 1
    est: dict[str, Json]  # the expression in Cedar's JSON policy format, without the `unless`


class State(StrEnum):
    """What became of a policy in one decision."""

    SATISFIED = "satisfied"
    UNSATISFIED = "unsatisfied"
    FAILED = "failed"  # its evaluation erred: the call is refused


class ClauseAccount(Value):
    """One clause, as it came out. An `unless` holds where its expression is false."""

    clause: Clause
    holds: bool | None  # None: its evaluation failed, or was not reached
    values: dict[str, Json] = {}  # what it read: `context.input.amount` → 2000
    error: str = ""


class PolicyAccount(Value):
    """One policy in scope: permits and forbids alike."""

    policy: str  # its id
    source: str  # its file
    line: int
    effect: str  # permit | forbid
    mode: str  # active | shadow
    state: State
    clauses: tuple[ClauseAccount, ...]


class NearMiss(Value):
    """What would have to differ for the verdict to flip; found by evaluation."""

    policy: str
    change: str  # `context.input.amount < 1000`, in words that complete "would be permitted if …"
    clause: Clause | None = None  # None: the principal's scope or the presence of a permit


class Account(Value):
    """Why a verdict is as it is."""

    verdict: Verdict
    policies: tuple[PolicyAccount, ...]  # those in scope, the determining ones first
    near: tuple[NearMiss, ...] = ()


MAX_TOLD = 12  # policies of an account that are kept in the record
MAX_TEXT = 300


def brief(account: Account) -> dict[str, Json]:
    """The account as JSON values, short enough for a record."""
    return {
        "policies": [_policy(one) for one in account.policies[:MAX_TOLD]],
        "near": [
            {"policy": miss.policy, "change": miss.change[:MAX_TEXT]}
            for miss in account.near[:MAX_TOLD]
        ],
    }


def _policy(one: PolicyAccount) -> dict[str, Json]:
    return {
        "id": one.policy,
        "place": f"{one.source}:{one.line}",
        "effect": one.effect,
        "mode": one.mode,
        "state": one.state.value,
        "clauses": [
            {
                "kind": part.clause.kind,
                "text": part.clause.text[:MAX_TEXT],
                "line": part.clause.line,
                "holds": part.holds,
                "values": part.values,
                "error": part.error,
            }
            for part in one.clauses[:MAX_TOLD]
        ],
    }
