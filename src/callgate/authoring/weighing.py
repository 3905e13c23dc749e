"""What a drafted policy means beside those in force: the analysis, asked about one policy."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.authoring.analysing import Limits, analyse, is_available
from callgate.authoring.checking import as_active
from callgate.authoring.grounding import Ground
from callgate.model import Tool, Value
from callgate.policy.analysis.findings import Finding, FindingKind, Report, Subject
from callgate.policy.index import ScopeIndex
from callgate.policy.source import ACTIVE, Policy

MAX_TOOLS = 20  # that are looked at: each takes the solver some time
NOT_LOOKED_AT = "what it means was not looked at: install callgate[analysis]"


class Weighed(Value):
    """What is to be said of a policy that passed every check."""

    problems: tuple[str, ...] = ()  # for the model: it cannot be used like that
    doubts: tuple[str, ...] = ()  # for the model, once, and then for the person
    notes: tuple[str, ...] = ()  # for the person


def weigh(ground: Ground, drafted: Policy, limits: Limits | None = None) -> Weighed:
    """What the drafted policy would mean, if it decided together with those in force. Blocks."""
    if not is_available():
        return Weighed(notes=(NOT_LOOKED_AT,))
    active = as_active(drafted)
    tools = _in_scope(ground, active)
    in_force = tuple(policy for policy in ground.policies if policy.mode == ACTIVE)

    def report(*policies: Policy) -> Report:
        subject = Subject(
            policies=policies,
            tools=tools[:MAX_TOOLS],
            names=ground.names,
            enrichments=ground.enrichments,
        )
        return analyse(subject, limits)

    after = report(*in_force, active)
    own = [finding for finding in after.findings if active.id in finding.policies]
    about_tools = [finding for finding in after.findings if not finding.policies]
    if about_tools:
        before = {(one.kind, one.tools) for one in report(*in_force).findings}
        own += [one for one in about_tools if (one.kind, one.tools) not in before]
    left_out = len(tools) - MAX_TOOLS
    return Weighed(
        problems=tuple(_said(one) for one in own if one.kind is FindingKind.NEVER_MATCHES),
        doubts=tuple(_said(one) for one in own if _is_mendable(one, active.id)),
        notes=(
            *(_said(one) for one in own if not _is_mendable(one, active.id)),
            *(f"not decided: {one.question} {one.reason}" for one in after.undecided),
            *([f"{left_out} more tools were not looked at"] if left_out > 0 else []),
        ),
    )


def _in_scope(ground: Ground, policy: Policy) -> tuple[Tool, ...]:
    index, names = ScopeIndex([policy]), ground.names
    return tuple(
        tool for tool in ground.tools if index.for_action(names.action_of(tool), names.resource)
    )


def _is_mendable(finding: Finding, identifier: str) -> bool:
    return finding.kind is FindingKind.MAY_ERROR and finding.policies[:1] == (identifier,)


def _said(finding: Finding) -> str:
    return "; ".join(_parts(finding))


def _parts(finding: Finding) -> Iterator[str]:
    about = finding.policies[0] if finding.policies else ""
    yield f"{about}: {finding.message}" if about else finding.message
    if finding.example is not None:
        yield f"for example, {finding.example.sentence()}"
