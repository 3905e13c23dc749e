"""What was found in each environment → findings about the policy set: none without a proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from callgate.policy.analysis.checked import Checked, Standing
from callgate.policy.analysis.findings import (
    Example,
    Finding,
    FindingKind,
    Report,
    Severity,
    Subject,
    Undecided,
)
from callgate.policy.source import Policy

_MOST_NAMES = 3
_NAMED = frozenset({"==", "in"})


def report(subject: Subject, found: Sequence[Checked]) -> Report:
    """The report on a policy set, of what was found out about all its environments."""
    places = _Places(found)
    findings = [*_of_policies(subject.policies, places), *_of_tools(subject, found, places)]
    order = {policy.id: number for number, policy in enumerate(subject.policies)}
    findings.sort(key=lambda one: (order.get((*one.policies, "")[0], len(order)), one.tools))
    return Report(
        findings=tuple(findings),
        undecided=tuple(_undecided(found)),
        tools=len(subject.tools),
        environments=len(found),
        queries=sum(one.queries for one in found),
    )


class _Places:
    """The standings of each policy, with the tools where it has them."""

    def __init__(self, found: Iterable[Checked]) -> None:
        self._of: dict[str, list[tuple[Standing, tuple[str, ...]]]] = {}
        for one in found:
            for standing in one.standings:
                if not standing.is_left_out:
                    self._of.setdefault(standing.policy, []).append((standing, one.tools))

    def everywhere(self, policy: str) -> list[Standing]:
        """All standings of a policy."""
        return [standing for standing, _ in self._of.get(policy, ())]

    def tools(self, policy: str, standings: Iterable[Standing]) -> tuple[str, ...]:
        """The tools of some of its standings."""
        wanted = {id(standing) for standing in standings}
        of = self._of.get(policy, ())
        return tuple(sorted(tool for one, tools in of if id(one) in wanted for tool in tools))


def _of_policies(policies: Sequence[Policy], places: _Places) -> Iterator[Finding]:
    """Later policies are looked at first: of two that are alike, the later one is superfluous."""
    gone: set[str] = set()
    for policy in reversed(policies):
        standings = places.everywhere(policy.id)
        if not standings:
            continue
        failing = [one for one in standings if one.may_fail and one.failed is not None]
        if failing:
            yield _may_error(policy, failing, places)
        if all(one.matches is False for one in standings):
            yield _never(policy, standings, places)
            continue
        matching = [one for one in standings if one.matches is not False]
        made = _superfluous(policy, matching, places, gone)
        if made is not None:
            if made.kind in (FindingKind.SHADOWED, FindingKind.REDUNDANT):
                gone.add(policy.id)
            yield made
        elif all(one.is_idle for one in matching):
            yield _always(policy, matching, places)


def _superfluous(
    policy: Policy, standings: list[Standing], places: _Places, gone: set[str]
) -> Finding | None:
    """What makes a policy do nothing of its own, wherever it matches."""
    shown = next((one.matched for one in standings if one.matched is not None), None)
    if shown is None:
        return None
    tools = places.tools(policy.id, standings)
    if all(one.stopped_by for one in standings):
        return _cancelled(policy, standings, places, shown)
    covers = [set(one.covered_by) for one in standings]
    if not all(covers) or any(cover & gone for cover in covers):
        return None
    alone = set(standings[0].covered_alone_by).intersection(
        *(one.covered_alone_by for one in standings)
    )
    others = sorted(alone)[:1] if alone else sorted(set().union(*covers))
    does = "permits" if policy.effect == "permit" else "refuses"
    together = "" if len(others) == 1 else " together"
    return Finding(
        kind=FindingKind.SHADOWED if alone else FindingKind.REDUNDANT,
        severity=Severity.WARNING,
        policies=(policy.id, *others),
        tools=tools,
        message=f"everything that it {does}, {_names(others)} {does}{together} already",
        example=shown,
    )


def _cancelled(
    policy: Policy, standings: list[Standing], places: _Places, shown: Example
) -> Finding:
    tools = places.tools(policy.id, standings)
    mirrors = {one.mirrored_by for one in standings}
    (mirror,) = mirrors if len(mirrors) == 1 else ("",)
    beyond = [
        one
        for one in places.everywhere(mirror)
        if one.matches is not False and not set(places.tools(mirror, [one])) <= set(tools)
    ]
    if mirror and not beyond:
        return Finding(
            kind=FindingKind.CONTRADICTORY,
            severity=Severity.ERROR,
            policies=(policy.id, mirror),
            tools=tools,
            aliases=("ALLOW_NONE",),
            message=f"{mirror} forbids exactly what it permits",
            example=shown,
        )
    others = sorted({name for one in standings for name in one.stopped_by} - {policy.id})
    by = _names(others) if others else "its own failing evaluation"
    return Finding(
        kind=FindingKind.OVERRIDDEN,
        severity=Severity.ERROR,
        policies=(policy.id, *others),
        tools=tools,
        aliases=("ALLOW_NONE",),
        message=f"everything that it permits is refused because of {by}",
        example=shown,
    )


def _never(policy: Policy, standings: list[Standing], places: _Places) -> Finding:
    is_permit = policy.effect == "permit"
    reasons = {one.because for one in standings}
    why = _why(policy, reasons.pop()) if len(reasons) == 1 else ""
    return Finding(
        kind=FindingKind.NEVER_MATCHES,
        severity=Severity.ERROR,
        policies=(policy.id,),
        tools=places.tools(policy.id, standings),
        aliases=("ALLOW_NONE",) if is_permit else ("DENY_NONE",),
        message=f"it never {'permits' if is_permit else 'forbids'} anything: "
        f"{why or 'no request can satisfy it'}",
    )


def _why(policy: Policy, because: tuple[int, ...]) -> str:
    """Why it cannot match, in the words of its clauses."""
    clauses = {clause.number: clause for clause in policy.clauses}
    words = []
    for number in because:
        clause = clauses.get(number)
        if clause is not None:
            text = " ".join(clause.text.split())
            words.append(f"`{text}`" if clause.kind == "when" else f"unless `{text}`")
    if not words:
        return "nobody who can call is in its scope" if because == (0,) else ""
    in_scope = " for those in its scope" if 0 in because else ""
    if len(words) == 1:
        return f"{words[0]} never holds{in_scope}"
    return f"{' and '.join(words)} never hold together{in_scope}"


def _always(policy: Policy, standings: list[Standing], places: _Places) -> Finding:
    shown = next((one.matched for one in standings if one.matched is not None), None)
    is_for_all = policy.principal.op == "All"
    alias = "ALLOW_ALL" if policy.effect == "permit" else "DENY_ALL"
    return Finding(
        kind=FindingKind.ALWAYS_MATCHES,
        severity=Severity.WARNING,
        policies=(policy.id,),
        tools=places.tools(policy.id, standings),
        aliases=(alias,) if is_for_all else (),
        message="its conditions hold for every request in its scope: they make no difference",
        example=shown,
    )


def _may_error(policy: Policy, standings: list[Standing], places: _Places) -> Finding:
    return Finding(
        kind=FindingKind.MAY_ERROR,
        severity=Severity.WARNING,
        policies=(policy.id,),
        tools=places.tools(policy.id, standings),
        message="its evaluation can fail, and a policy that fails refuses the call",
        example=standings[0].failed,
    )


def _of_tools(subject: Subject, found: Sequence[Checked], places: _Places) -> Iterator[Finding]:
    """What holds of all policies together, at each tool."""
    for one in found:
        if one.is_open and one.opened is not None:
            yield Finding(
                kind=FindingKind.ALLOWS_EVERYONE,
                severity=Severity.WARNING,
                policies=_for_all(subject, one, "permit"),
                tools=one.tools,
                aliases=("ALLOW_ALL",),
                message=f"everyone may use {_names(one.tools)}, whatever the arguments",
                example=one.opened,
            )
        if one.is_closed and one.refused is not None:
            yield from _closed(subject, one, places)


def _closed(subject: Subject, one: Checked, places: _Places) -> Iterator[Finding]:
    """A tool that is closed to all is often meant so; not where a permit names it."""
    ids = {standing.policy for standing in one.standings}
    permits = [p for p in subject.policies if p.id in ids and p.effect == "permit"]
    named = [p for p in permits if _names_tool(p, one.tools)]
    if any(_is_told(places.everywhere(policy.id)) for policy in named):
        return  # said of the policy already
    is_meant = not named
    message = f"nobody can ever use {_names(one.tools)}, whatever the arguments"
    yield Finding(
        kind=FindingKind.DENIES_EVERYONE if is_meant else FindingKind.CONTRADICTORY,
        severity=Severity.INFO if is_meant else Severity.ERROR,
        policies=_for_all(subject, one, "forbid")
        if is_meant
        else tuple(policy.id for policy in named),
        tools=one.tools,
        aliases=("DENY_ALL",),
        message=message if is_meant else f"it permits the use of a tool, but {message}",
        example=one.refused,
    )


def _for_all(subject: Subject, one: Checked, effect: str) -> tuple[str, ...]:
    """The policies that apply to every request there, by themselves."""
    idle = {standing.policy: standing.is_idle for standing in one.standings}
    return tuple(
        policy.id
        for policy in subject.policies
        if policy.id in idle
        and policy.effect == effect
        and policy.principal.op == "All"
        and (idle[policy.id] or not policy.has_conditions)
    )


def _names_tool(policy: Policy, tools: Iterable[str]) -> bool:
    named = {identifier for _, identifier in policy.action.uids}
    return policy.action.op in _NAMED and not named.isdisjoint(tools)


def _is_told(standings: list[Standing]) -> bool:
    matching = [one for one in standings if one.matches is not False]
    return all(one.stopped_by and one.matched is not None for one in matching)


def _undecided(found: Iterable[Checked]) -> Iterator[Undecided]:
    """Each open question once, with all tools where it is open."""
    tools: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for one in found:
        for doubt in one.doubts:
            key = (doubt.question, doubt.reason, doubt.policies)
            tools.setdefault(key, []).extend(one.tools)
    for (question, reason, policies), names in tools.items():
        yield Undecided(
            question=question, reason=reason, policies=policies, tools=tuple(sorted(names))
        )


def _names(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_MOST_NAMES])
    rest = len(items) - _MOST_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown
