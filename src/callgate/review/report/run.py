"""The report of one run: what stands out, plots, where data flowed, and every call in full."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from callgate.audit.record import rfc3339
from callgate.model import Json
from callgate.review.finding import Finding, Place
from callgate.review.flow import Flow
from callgate.review.report import plots
from callgate.review.report.markup import Child, Html, el, join, lines
from callgate.review.report.page import page
from callgate.review.reviewed import Happening, Reviewed, who
from callgate.review.steps import Step

MAX_JSON = 4_000  # characters of arguments and results
MOST_STEPS = 2_000
MOST_PLACES = 12
MOST_FLOWS = 20


def run_report(found: Reviewed) -> str:
    """The file. Needs at least one call."""
    return page(f"Run {found.run}", _body(found))


def _body(found: Reviewed) -> Iterator[Html]:
    steps = found.steps
    yield el("p", "Callgate: report of a run", class_="soft")
    yield el("h1", f"Run {found.run}")
    yield el("p", f"by {', '.join(found.principals)}")
    first, last = steps[0].received_at, max(one.ended_at or one.received_at for one in steps)
    yield el("p", f"{rfc3339(first)[:19]}Z to {rfc3339(last)[:19]}Z", class_="soft")
    yield tiles(found)
    yield from limits(found)
    yield el("h2", "Findings")
    yield from _findings(found)
    yield el("h2", "At a glance")
    yield glance(found)
    if found.flows:
        yield el("h2", "Data flow")
        yield el(
            "div",
            plots.data_flow(steps, found.flows),
            el(
                "p",
                "An arc leads from the call that first returned a value to the call that sent it. "
                "Arcs into tools that send are of another colour.",
                class_="soft",
            ),
            class_="card",
        )
    yield el("h2", "Calls")
    yield el("div", join(_calls(found)), class_="card")
    yield footer()


def tiles(found: Reviewed) -> Html:
    """The counts."""
    counts = found.outcomes
    shown = [("calls", len(found.steps), "")]
    shown += [
        (name, counts[name], f"o-{plots.css(name)}") for name in plots.OUTCOMES if counts[name]
    ]
    shown += [("findings", len(found.findings), "")] if found.findings else []
    shown += [("verdicts", len(found.verdicts), "")] if found.verdicts else []
    return el(
        "div",
        join(
            el("div", el("b", str(count), class_=css or None), name, class_="tile")
            for name, count, css in shown
        ),
        class_="tiles",
    )


def limits(found: Reviewed) -> Iterator[Html]:
    """What was not looked at."""
    if not found.is_whole:
        said = f"Only the latest {len(found.steps)} calls are in this report; there are more."
        yield el("p", said, class_="is-warning")
    if not found.is_traced:
        yield el(
            "p", "Of large results, the beginnings were looked at for data flow.", class_="soft"
        )


def glance(found: Reviewed) -> Html:
    """The plots that a run and a period have in common."""
    steps = found.steps
    cards = [_card("Calls over time", plots.over_time(steps))]
    refused: Counter[str] = Counter()
    for step in steps:
        if step.is_refused:
            refused.update(step.policies or (f"({step.code})",))
    if refused:
        cards.append(
            _card("Refusals by policy", plots.bars(refused, "Refusals by policy", "refused"))
        )
    used = Counter((step.tool, who(step)) for step in steps if not step.is_list)
    if used:
        cards.append(
            _card("Tools by principal", plots.heatmap(used, "Calls of tools by principal"))
        )
    if any(step.seconds for step in steps):
        cards.append(_card("Time taken by each stage", plots.stages(steps)))
    return el("div", join(cards), class_="plots")


def _card(title: str, drawing: Html) -> Html:
    return el("div", el("h3", title), drawing, class_="card")


def _findings(found: Reviewed) -> Iterator[Html]:
    if not found.findings:
        known = found.history.calls
        more = "" if known else " No earlier calls of the principal are known to compare with."
        yield el("p", f"No rule found anything.{more}")
    for one in found.findings:
        yield _finding(one)


def _finding(one: Finding) -> Html:
    places = join(_place(place) for place in one.places[:MOST_PLACES])
    more = len(one.places) - MOST_PLACES
    return finding_card(one, f"{one.rule}: ", places, f"and {more} more" if more > 0 else None)


def finding_card(one: Finding, *below: Child) -> Html:
    """A finding, and what stands below its sentence."""
    severity = one.severity.value
    return el(
        "div",
        el("p", el("span", severity, class_=f"tag {severity}"), one.sentence),
        el("p", *below, class_="soft"),
        class_=f"card finding {severity}",
    )


def _place(place: Place) -> Html:
    where = f" {place.of} {place.path}" if place.path else ""
    link = el("a", f"call {place.step}", href=f"#call-{place.step}")
    return el("span", link, el("span", where, class_="mono") if where else None, class_="place")


def _calls(found: Reviewed) -> Iterator[Html]:
    into: dict[int, list[Flow]] = {}
    for flow in found.flows:
        into.setdefault(flow.sink, []).append(flow)
    happenings = sorted(found.happenings, key=lambda one: one.at)
    for step in found.steps[:MOST_STEPS]:
        while happenings and happenings[0].at <= step.received_at:
            yield _between(happenings.pop(0))
        yield _call(step, into.get(step.number, []), found)
    if len(found.steps) > MOST_STEPS:
        yield el("p", f"{len(found.steps) - MOST_STEPS} more calls: `callgate review` shows them.")


def _between(one: Happening) -> Html:
    return el("div", f"{rfc3339(one.at)[11:19]}: {one.sentence}", class_="between soft")


def _call(step: Step, flows: list[Flow], found: Reviewed) -> Html:
    outcome = step.outcome
    size = "" if step.result_bytes is None else f"{step.result_bytes:,} B"
    total = step.total_seconds
    took = "" if total is None else f"{total * 1000:,.0f} ms"
    code = f" ({step.code})" if step.code not in (None, "ok") else ""
    summary = el(
        "summary",
        el("span", str(step.number), class_="num soft"),
        el("span", rfc3339(step.received_at)[11:19], class_="when soft mono"),
        el("span", step.tool, class_="name asked" if step.asked_in else "name"),
        el("span", f"{outcome}{code}", class_=f"o-{plots.css(outcome)}"),
        el("span", size, class_="num size soft"),
        el("span", took, class_="num took soft"),
    )
    inner = el("div", join(_details(step, flows, found)), class_="inner")
    return el("details", summary, inner, id=f"call-{step.number}")


def _details(step: Step, flows: list[Flow], found: Reviewed) -> Iterator[Html]:
    yield el("p", "call ", el("code", step.call), f", by {who(step)}")
    if step.asked_in:
        yield el(
            "p", f"The target {step.target} asked the client for this in call {step.asked_in}."
        )
    if step.reason and step.outcome != "ok":
        yield el("p", f"Reason: {step.reason}")
    if step.policies:
        yield el("p", f"Decided by {', '.join(step.policies)}")
    for change in step.changes:
        yield el("p", _change(change))
    if step.labels:
        yield el("p", f"Labels: {', '.join(step.labels)}")
    verdict = found.verdicts.get(step.call)
    if verdict is not None:
        note = f": {verdict.note}" if verdict.note else ""
        yield el("p", el("b", f"{verdict.author} says {verdict.verdict.value}"), note)
    for flow in flows[:MOST_FLOWS]:
        yield el(
            "p",
            el("code", flow.sink_path),
            " came from ",
            el("a", f"call {flow.source}", href=f"#call-{flow.source}"),
            " ",
            el("code", flow.source_path),
            f": {flow.how}",
        )
    yield from _value("Arguments", step.arguments, step.is_erased)
    yield from _value("Result", step.content, is_erased=False)
    if step.is_failed:
        yield el("p", "The target says that the tool failed.", class_="o-failed")


def _change(change: dict[str, Json]) -> str:
    paths = ", ".join(map(str, change.get("paths") or ()))
    would = "only observing, would have " if change.get("mode") == "observe" else ""
    note = f": {change['note']}" if change.get("note") else ""
    said = f"{change.get('interceptor')} ({change.get('phase')}): {would}{change.get('action')}"
    return f"{said} {paths}{note}".replace(" :", ":")


def _value(title: str, value: Json, is_erased: bool) -> Iterator[Html]:
    if value is None:
        if is_erased:
            yield el("p", f"{title}: erased.", class_="soft")
        return
    if value in ({}, []):
        return
    said = json.dumps(value, ensure_ascii=False, indent=1)
    yield el("p", title, class_="soft")
    yield el("pre", lines(said, MAX_JSON))


def footer() -> Html:
    """Where this comes from."""
    return el(
        "footer",
        "Made from the record by Callgate. Findings are reasons to look, not judgements; data flow "
        "is what equal or copied values show, and no proof that nothing else flowed. Contents may "
        "be confidential: this file has them in full.",
    )
