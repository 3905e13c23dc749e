"""Proposals as text: for a terminal, as a file of policies, and as a file of cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from callgate.authoring.drafting import Proposal
from callgate.authoring.hidden import one_line, shown
from callgate.authoring.trials import Trial
from callgate.model import Json
from callgate.policy.cases import Case
from callgate.policy.context import instant

MAX_COMMENT_CHARACTERS = 300

_HEAD = """\
// Drafted from plain words by a language model ({model}). Read every policy before you rely on it.
"""
_CASES_HEAD = """\
# Written by a language model ({model}) from the requirements, without sight of the policies.
# They say how calls come out once the drafted policies decide: `callgate policy test`.
"""


def told(proposal: Proposal) -> Iterator[str]:
    """One proposal for a person at a terminal. Nothing in it can steer the terminal."""
    yield f'"{one_line(proposal.requirement.quote, 500)}"'
    yield f"  understood as: {one_line(proposal.requirement.meaning, 500)}"
    if proposal.checked.policy is None:
        yield f"  no policy: {one_line(proposal.failure, 1000)}"
        return
    yield ""
    yield from (f"    {line}" for line in shown(proposal.checked.policy.text, 20_000).split("\n"))
    yield ""
    if proposal.explanation:
        yield f"  the model says: {one_line(proposal.explanation, 500)}"
    yield from (f"  assumed: {one_line(one, 500)}" for one in proposal.assumptions)
    yield from (f"  note: {one_line(one, 500)}" for one in proposal.checked.notes)
    yield from (f"  DOUBT  {one_line(one, 500)}" for one in proposal.doubts)
    yield from (f"  {_tried(trial)}" for trial in proposal.trials)


def _tried(trial: Trial) -> str:
    case, ruled = trial.result.case, trial.result.ruled
    groups = case.principal.groups
    who = case.principal.id + (f" in {', '.join(groups)}" if groups else "")
    call = f"{one_line(who, 120)}, {one_line(_values(case.arguments), 160)}"
    if not trial.is_contradiction:
        return f"ok    {ruled.ruling}  {one_line(case.name)}: {call}"
    whose = "" if trial.is_ours else " (decided by other policies, or the lack of them)"
    problems = one_line("; ".join(trial.result.problems), 400)
    return f"CONTRADICTION  {one_line(case.name)}: {call}: {problems}{whose}"


def _values(arguments: dict[str, Json]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items()) or "no arguments"


def policies_text(proposals: Sequence[Proposal], model: str) -> str:
    """The usable proposals as a Cedar file, each under the words that it came from."""
    parts = [_HEAD.format(model=one_line(model))]
    for proposal in proposals:
        if proposal.checked.policy is not None:
            lines = [f"// {line}" for line in _comments(proposal)]
            parts.append("\n".join([*lines, proposal.checked.policy.text]) + "\n")
    return "\n".join(parts)


def _comments(proposal: Proposal) -> Iterator[str]:
    most = MAX_COMMENT_CHARACTERS
    yield f'"{one_line(proposal.requirement.quote, most)}"'
    yield f"Understood as: {one_line(proposal.requirement.meaning, most)}"
    yield from (f"Assumed: {one_line(one, most)}" for one in proposal.assumptions)
    yield from (f"Note: {one_line(one, most)}" for one in proposal.checked.notes)
    yield from (f"Doubt: {one_line(one, most)}" for one in proposal.doubts)
    wrong = [trial for trial in proposal.trials if trial.is_contradiction]
    for trial in wrong:
        yield f"Contradicted by the case: {one_line(trial.result.case.name, most)}"


def cases_text(proposals: Sequence[Proposal], model: str) -> str | None:
    """The cases of the usable proposals, as `callgate policy test` reads them; None without any."""
    cases = [
        _case(trial.result.case)
        for proposal in proposals
        if proposal.is_usable
        for trial in proposal.trials
    ]
    if not cases:
        return None
    document = {"suite": "Drafted policies", "cases": cases}
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return _CASES_HEAD.format(model=one_line(model)) + body


def _case(case: Case) -> dict[str, Any]:
    who = case.principal
    principal: dict[str, Any] = {"id": who.id}
    for name, value in (
        ("groups", list(who.groups)),
        ("claims", who.claims),
        ("tenant", who.tenant),
        ("agent", who.agent),
    ):
        if value:
            principal[name] = value
    found: dict[str, Any] = {
        "name": case.name,
        "principal": principal,
        "tool": case.tool.qualified_name,
        "arguments": case.arguments,
        "expect": case.expected.ruling.value,
    }
    if case.now is not None:
        found["time"] = instant(case.now)
    return found
