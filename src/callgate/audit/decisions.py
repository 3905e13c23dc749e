"""A decision of policy in words: which policies, which clauses, on which values, and how nearly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from callgate.model import Json

_NO_PERMIT = "no policy permits"


def in_words(decision: dict[str, Json] | None, *, with_near: bool = True) -> Iterator[str]:
    """One fact a line, of a decision as the record has it; near misses too, unless told anew."""
    if decision is None:
        yield "Policy was not asked: the call ended before that."
        return
    yield from _verdict(decision)
    if decision.get("enforced") is False:
        yield "The gateway only observes: nothing is refused because of this."
    account = decision.get("account")
    if account is not None:
        yield from account_in_words(account if with_near else {**account, "near": ()})
    for flip in decision.get("flips") or ():
        yield f"The shadow policy {flip['policy']} would {flip['would']} it: {flip['reason']}."
    if decision.get("version"):
        yield f"The policy set had the version {decision['version']}."


def _verdict(decision: dict[str, Json]) -> Iterator[str]:
    policies, errors = decision.get("policies") or (), decision.get("errors") or ()
    named = _policies(policies, decision.get("places") or ())
    reason = decision.get("reason") or ""
    if decision["permitted"]:
        yield f"Policy permits the call: {named or 'it names no policy'}."
    elif errors:
        yield "Policy refuses the call, because it could not be evaluated without error."
        yield from (f"The error: {error}." for error in errors)
    elif policies:
        yield f"Policy refuses the call: it is forbidden by {named}."
    elif not reason or reason.startswith(_NO_PERMIT):
        yield "No policy permits the call; what no policy permits is refused."
    else:
        yield f"Policy refuses the call: {reason}."
    if errors and policies:
        yield f"The determining policies were {named}."


def account_in_words(account: dict[str, Json]) -> Iterator[str]:
    """An account, as `policy.account.brief` tells it."""
    for policy in account.get("policies") or ():
        yield from _policy(policy)
    for miss in account.get("near") or ():
        yield f"It would be permitted if {miss['change']} ({miss['policy']})."


_STATES = {
    ("permit", "satisfied"): "permits it",
    ("permit", "unsatisfied"): "does not apply",
    ("forbid", "satisfied"): "forbids it",
    ("forbid", "unsatisfied"): "does not apply",
}


def _policy(policy: dict[str, Json]) -> Iterator[str]:
    state = _STATES.get((policy["effect"], policy["state"]), "failed")
    shadow = "shadow " if policy.get("mode") == "shadow" else ""
    yield f"The {shadow}{policy['effect']} {policy['id']} ({policy['place']}) {state}."
    for clause in policy.get("clauses") or ():
        yield f"  {_clause(clause)}"


_HOLDS = {True: "holds", False: "does not hold", None: "was not reached"}


def _clause(clause: dict[str, Json]) -> str:
    written = " ".join(str(clause["text"]).split())  # on one line, however it was laid out
    text = written if clause["kind"] == "when" else f"unless {written}"
    said = f"{text} ({clause['line']}): {_HOLDS[clause['holds']]}"
    if clause.get("error"):
        said = f"{text} ({clause['line']}): failed: {clause['error']}"
    values = clause.get("values")
    if values:
        shown = ", ".join(f"{name} is {_value(value)}" for name, value in values.items())
        said += f"; {shown}"
    return said


def _value(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _policies(ids: Sequence[str], places: Sequence[str]) -> str:
    if not ids:
        return ""
    if len(places) == len(ids):
        named = [f"{name} ({place})" for name, place in zip(ids, places, strict=True)]
    else:
        named = list(ids)
    return f"{'policy' if len(ids) == 1 else 'policies'} {_list(named)}"


def _list(items: Sequence[Any]) -> str:
    return ", ".join(map(str, items))
