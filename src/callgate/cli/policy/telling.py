"""An account of a verdict, in lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from callgate.audit.explain import printable
from callgate.model import Json
from callgate.policy.account import Account, ClauseAccount, PolicyAccount, State

MAX_VALUE_CHARACTERS = 120

Shown = Callable[[str], str]  # the name of a source → its path, as it is shown

_STATES = {
    State.SATISFIED: "applies",
    State.UNSATISFIED: "does not apply",
    State.FAILED: "fails, which refuses",
}


def told(account: Account, shown: Shown) -> Iterator[str]:
    """One line a policy and clause: what became of it, on which values; then what is near."""
    return map(printable, _lines(account, shown))


def _lines(account: Account, shown: Shown) -> Iterator[str]:
    for policy in account.policies:
        yield from _policy(policy, shown)
    if not account.policies:
        yield "no policy is in scope"
    would_be = "refused" if account.verdict.is_permitted else "permitted"
    for near in account.near:
        change = " ".join(near.change.split())
        yield f"would be {would_be} if {change} ({near.policy})"


def _policy(policy: PolicyAccount, shown: Shown) -> Iterator[str]:
    shadow = "shadow " if policy.mode == "shadow" else ""
    where = f"{shown(policy.source)}:{policy.line}"
    yield f"{shadow}{policy.effect} {policy.policy} ({where}) {_STATES[policy.state]}"
    for clause in policy.clauses:
        yield f"  {_clause(clause)}"


def _clause(account: ClauseAccount) -> str:
    clause = account.clause
    mark = {True: "true ", False: "false", None: "-    "}[account.holds]
    line = f"{mark}  {clause.kind} {' '.join(clause.text.split())}"
    values = ", ".join(f"{name} = {value_text(value)}" for name, value in account.values.items())
    if values:
        line += f"   [{values}]"
    return f"{line}   {account.error}" if account.error else line


def value_text(value: Json) -> str:
    """A value as JSON, not endless."""
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…"
