"""The report of a period: how calls came out, who used what, every run, and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from callgate.audit.record import rfc3339
from callgate.review.finding import Severity
from callgate.review.findings import SEVERITIES
from callgate.review.report import plots
from callgate.review.report.markup import Html, el, join
from callgate.review.report.page import page
from callgate.review.report.run import finding_card, footer, glance, limits, tiles
from callgate.review.reviewed import Reviewed, who
from callgate.review.steps import Step

MOST_RUNS = 200
MOST_REFUSALS = 100
MAX_REASON = 220
MOST_FINDINGS = 60
SHORT = 14  # of the id of a run: `callgate review` takes its beginning


def period_report(found: Reviewed) -> str:
    """The file."""
    return page(found.run, _body(found))


def _body(found: Reviewed) -> Iterator[Html]:
    yield el("p", "Callgate: report of a period", class_="soft")
    yield el("h1", found.run)
    if not found.steps:
        yield el("p", "No call was recorded in this time.")
        return
    people, runs = len(found.principals), len(_runs(found.steps))
    yield el("p", f"{_counted(people, 'principal')}, {_counted(runs, 'run')}")
    yield tiles(found)
    yield from limits(found)
    yield from _findings(found)
    yield el("h2", "At a glance")
    yield glance(found)
    yield el("h2", "Runs")
    yield _run_table(found.steps)
    yield el("h2", "Refused and withheld")
    yield _refusals(found.steps)
    if found.verdicts:
        yield el("h2", "Verdicts of reviewers")
        yield _verdicts(found)
    if found.happenings:
        yield el("h2", "What changed")
        rows = [(rfc3339(one.at)[:19] + "Z", one.sentence) for one in found.happenings]
        yield _table(("when", "what"), rows)
    yield footer()


def _counted(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def _findings(found: Reviewed) -> Iterator[Html]:
    """Of all runs: the gravest first, the latest of them first."""
    if not found.of_runs and not found.runs_left:
        return
    yield el("h2", "Findings")
    if found.runs_left:
        yield el("p", f"{found.runs_left} earlier runs were not looked into.", class_="soft")
    order = list(SEVERITIES)
    latest = sorted(found.of_runs[::-1], key=lambda one: order.index(one.finding.severity))
    shown = [one for one in latest if one.finding.severity is not Severity.NOTE] or latest
    for one in shown[:MOST_FINDINGS]:
        run = el("code", one.run[:SHORT])
        call = el("code", one.finding.places[0].call)
        yield finding_card(one.finding, f"{one.finding.rule}, run ", run, ", call ", call)
    left = len(found.of_runs) - len(shown[:MOST_FINDINGS])
    if left:
        yield el(
            "p", f"{left} more findings: `callgate review` shows them run by run.", class_="soft"
        )


def _runs(steps: Sequence[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in steps:
        found.setdefault(step.run or "no run", []).append(step)
    return found


def _run_table(steps: Sequence[Step]) -> Html:
    runs = sorted(_runs(steps).items(), key=lambda one: -one[1][-1].received_at)
    rows = []
    for name, some in runs[:MOST_RUNS]:
        counts = Counter(step.outcome for step in some)
        came = ", ".join(f"{counts[one]} {one}" for one in plots.OUTCOMES if counts[one])
        tools = Counter(step.tool for step in some if not step.is_list)
        most = ", ".join(tool for tool, _ in tools.most_common(4))
        began = rfc3339(some[0].received_at)[:19] + "Z"
        short = name if len(name) <= SHORT else f"{name[:SHORT]}…"
        rows.append((began, short, who(some[0]), str(len(some)), came, most))
    table = _table(
        ("began", "run", "who", "calls", "came out", "mostly"), rows, numbers=frozenset({3})
    )
    if len(runs) <= MOST_RUNS:
        return table
    return join([table, el("p", f"{len(runs) - MOST_RUNS} earlier runs are left out.")])


def _refusals(steps: Sequence[Step]) -> Html:
    kept_back = [step for step in reversed(steps) if step.is_refused or step.is_withheld]
    if not kept_back:
        return el("p", "None.")
    rows = [
        (
            rfc3339(step.received_at)[:19] + "Z",
            who(step),
            step.tool,
            step.code or "",
            ", ".join(step.policies) or "-",
            step.reason[:MAX_REASON],
            step.call,
        )
        for step in kept_back[:MOST_REFUSALS]
    ]
    table = _table(("when", "who", "tool", "code", "policies", "reason", "call"), rows)
    if len(kept_back) <= MOST_REFUSALS:
        return table
    return join([table, el("p", f"{len(kept_back) - MOST_REFUSALS} earlier ones are left out.")])


def _verdicts(found: Reviewed) -> Html:
    rows = [
        (one.at[:19] + "Z", one.author, one.verdict.value, one.about, one.note)
        for one in found.verdicts.values()
    ]
    return _table(("when", "who", "verdict", "call", "note"), rows)


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int] = frozenset()
) -> Html:
    head = el(
        "tr",
        join(
            el("th", heading, scope="col", class_="num" if index in numbers else None)
            for index, heading in enumerate(headings)
        ),
    )
    body = (
        el(
            "tr",
            join(
                el("td", cell, class_="num" if index in numbers else "time" if not index else None)
                for index, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    table = el("table", el("thead", head), el("tbody", join(body)))
    return el("div", table, class_="card")
