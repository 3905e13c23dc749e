"""A reviewed run in words: who, what came out, findings, then every call in its order."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.audit.explain import printable
from callgate.audit.record import rfc3339
from callgate.review.finding import Finding
from callgate.review.flow import Flow
from callgate.review.reviewed import Reviewed
from callgate.review.steps import Step

MAX_PLACES = 6  # of a finding that are named
MAX_REASON = 160
MOST_FLOWS = 4  # of one call that are named


def in_words(found: Reviewed) -> Iterator[str]:
    """One line each, all safe to print."""
    for line in _lines(found):
        yield printable(line)


def _lines(found: Reviewed) -> Iterator[str]:
    steps = found.steps
    yield f"Run {found.run}"
    yield f"  by {', '.join(found.principals)}"
    yield f"  {_span(steps)}; {_counts(found)}"
    if not found.is_whole:
        yield f"  only the latest {len(steps)} calls of it are looked at"
    if not found.is_traced:
        yield "  of large results, the beginnings are looked at for data flow"
    if found.history.calls:
        more = "" if found.history.is_whole else " latest"
        yield f"  held against the {found.history.calls}{more} calls of {steps[0].principal} before"
    yield ""
    yield from _findings(found)
    yield ""
    yield "Calls"
    yield from _calls(found)


def _span(steps: tuple[Step, ...]) -> str:
    first = steps[0].received_at
    last = max(step.ended_at or step.received_at for step in steps)
    return f"from {rfc3339(first)[:19]}Z on, {_duration(last - first)}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _counts(found: Reviewed) -> str:
    counts = found.outcomes
    parts = [f"{count} {outcome}" for outcome, count in counts.most_common() if outcome != "ok"]
    calls = f"{len(found.steps)} call{'' if len(found.steps) == 1 else 's'}"
    return f"{calls}, {counts['ok']} let through" + "".join(f", {part}" for part in parts)


def _findings(found: Reviewed) -> Iterator[str]:
    if not found.findings:
        yield "No finding."
        return
    yield "Findings"
    for one in found.findings:
        yield f"  {one.severity.value}: {one.sentence} ({one.rule})"
        yield f"    {_places(one)}"


def _places(one: Finding) -> str:
    named = [
        f"call {place.step}{f' {place.of} {place.path}' if place.path else ''}"
        for place in one.places[:MAX_PLACES]
    ]
    more = len(one.places) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _calls(found: Reviewed) -> Iterator[str]:
    into: dict[int, list[Flow]] = {}
    for flow in found.flows:
        into.setdefault(flow.sink, []).append(flow)
    happenings = sorted(found.happenings, key=lambda one: one.at)
    for step in found.steps:
        while happenings and happenings[0].at <= step.received_at:
            one = happenings.pop(0)
            yield f"        {rfc3339(one.at)[11:19]}  {one.sentence}"
        yield _call(step)
        yield from (f"        {line}" for line in _details(step, found))
        yield from (f"        {line}" for line in _flows(into.get(step.number, [])))


def _call(step: Step) -> str:
    at = rfc3339(step.received_at)[11:19]
    indent = "  asks " if step.asked_in else ""
    came = step.outcome if step.outcome in ("ok", "in flight") else f"{step.outcome}: {step.code}"
    parts = [came]
    if step.result_bytes is not None:
        parts.append(f"{step.result_bytes} bytes{' (says it failed)' if step.is_failed else ''}")
    total = step.total_seconds
    if total is not None:
        parts.append(f"{total * 1000:.0f} ms")
    if step.is_erased:
        parts.append("erased in part")
    return f"  {step.number:>4}  {at}  {indent}{step.tool}  {', '.join(parts)}  [{step.call}]"


def _details(step: Step, found: Reviewed) -> Iterator[str]:
    if step.outcome not in ("ok", "in flight") and step.reason:
        reason = " ".join(step.reason.split())
        yield f"{reason[:MAX_REASON]}{'…' if len(reason) > MAX_REASON else ''}"
    if step.policies:
        yield f"decided by {', '.join(step.policies)}"
    for change in step.changes:
        if change.get("action") != "noted":
            yield f"{change.get('interceptor')}: {change.get('action')} {_paths(change)}".rstrip()
    if step.labels:
        yield f"labels: {', '.join(step.labels)}"
    verdict = found.verdicts.get(step.call)
    if verdict is not None:
        note = f": {verdict.note}" if verdict.note else ""
        yield f"{verdict.author} says {verdict.verdict.value}{note}"


def _paths(change: dict[str, object]) -> str:
    paths = change.get("paths")
    return ", ".join(map(str, paths[:4])) if isinstance(paths, (list, tuple)) else ""


def _flows(flows: list[Flow]) -> Iterator[str]:
    for flow in flows[:MOST_FLOWS]:
        yield f"{flow.sink_path} from call {flow.source} {flow.source_path}: {flow.how}"
    if len(flows) > MOST_FLOWS:
        yield f"{len(flows) - MOST_FLOWS} more values from earlier results"
