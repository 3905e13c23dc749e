"""Plots as inline SVG: calls over time, refusals, who uses what, times of stages, data flow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from callgate.audit.record import rfc3339
from callgate.review.flow import Flow
from callgate.review.kinds import is_sending
from callgate.review.report.markup import Html, el, join
from callgate.review.steps import Step

OUTCOMES = ("ok", "refused", "withheld", "failed", "in flight")
BINS = 48
MOST_ROWS = 14
MOST_COLUMNS = 12
MOST_ARCS = 400
MOST_NODES = 120
WIDTH = 520


def svg(height: float, label: str, parts: Iterable[Html], width: float = WIDTH) -> Html:
    """A drawing with a name for those who do not see it."""
    return el(
        "svg",
        el("title", label),
        join(parts),
        viewbox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
    )


def cut(said: str, most: int) -> str:
    """A label that fits: the end of a name tells more than its beginning."""
    return said if len(said) <= most else f"…{said[1 - most :]}"


def css(outcome: str) -> str:
    """The class of an outcome."""
    return outcome.replace(" ", "-")


def legend(outcomes: Iterable[str]) -> Html:
    """What the colours stand for."""
    return el(
        "div", join(el("span", one, class_=f"o-{css(one)}") for one in outcomes), class_="legend"
    )


def over_time(steps: Sequence[Step]) -> Html:
    """Calls by when they came in, stacked by how they came out."""
    first, last = steps[0].received_at, steps[-1].received_at
    span = max(last - first, 0.001)
    counts: list[Counter[str]] = [Counter() for _ in range(BINS)]
    for step in steps:
        counts[min(int((step.received_at - first) / span * BINS), BINS - 1)][step.outcome] += 1
    most = max(sum(one.values()) for one in counts)
    height, base, left = 170.0, 142.0, 34.0
    each = (WIDTH - left - 6) / BINS
    parts = [
        el("line", x1=left, y1=base, x2=WIDTH, y2=base, class_="axis"),
        el("line", x1=left, y1=base - 120, x2=WIDTH, y2=base - 120, class_="axis"),
        el("text", str(most), x=left - 6, y=base - 116, text_anchor="end", class_="quiet"),
        el("text", "0", x=left - 6, y=base + 3, text_anchor="end", class_="quiet"),
        el("text", _when(first, span), x=left, y=base + 18, class_="quiet"),
        el("text", _when(last, span), x=WIDTH - 2, y=base + 18, text_anchor="end", class_="quiet"),
    ]
    for index, count in enumerate(counts):
        at = base
        for outcome in OUTCOMES:
            if count[outcome]:
                tall = count[outcome] / most * 120
                at -= tall
                parts.append(
                    el(
                        "rect",
                        el(
                            "title",
                            f"{_when(first + span * index / BINS, span)}: "
                            f"{count[outcome]} {outcome}",
                        ),
                        x=left + index * each + 0.5,
                        y=at,
                        width=max(each - 1, 0.8),
                        height=tall,
                        class_=f"f-{css(outcome)}",
                    )
                )
    present = [one for one in OUTCOMES if any(count[one] for count in counts)]
    return join([svg(height, "Calls over time by outcome", parts), legend(present)])


def _when(at: float, span: float) -> str:
    said = rfc3339(at)
    return said[11:19] if span < 86_400 else f"{said[5:10]} {said[11:16]}"


def bars(counted: Counter[str], label: str, kind: str) -> Html:
    """A name and a bar in each row, the longest first."""
    rows = counted.most_common(MOST_ROWS)
    most = rows[0][1] if rows else 1
    parts: list[Html] = []
    for index, (name, count) in enumerate(rows):
        y = 6.0 + index * 22
        long = count / most * 250
        parts += [
            el("text", el("title", name), cut(name, 30), x=196, y=y + 12, text_anchor="end"),
            el(
                "rect", x=204, y=y, width=max(long, 1.5), height=15.0, rx=2, class_=f"f-{css(kind)}"
            ),
            el("text", str(count), x=210 + long, y=y + 12),
        ]
    if len(counted) > MOST_ROWS:
        more = f"and {len(counted) - MOST_ROWS} more"
        parts.append(el("text", more, x=204, y=20.0 + len(rows) * 22, class_="quiet"))
    return svg(len(rows) * 22 + (30 if len(counted) > MOST_ROWS else 10), label, parts)


def heatmap(pairs: Counter[tuple[str, str]], label: str) -> Html:
    """Rows by columns; the darker, the more (by logarithm). The number stands in the cell."""
    rows = _most(pairs, 0, MOST_ROWS)
    columns = _most(pairs, 1, MOST_COLUMNS)
    most = max(pairs.values())
    left, top, tall = 196.0, 92.0, 22.0
    wide = min((WIDTH - left - 4) / max(len(columns), 1), 64)
    parts: list[Html] = []
    for index, column in enumerate(columns):
        x, y = left + index * wide + wide / 2, top - 6
        parts.append(
            el(
                "text",
                el("title", column),
                cut(column, 18),
                x=x,
                y=y,
                transform=f"rotate(-38 {x:.1f} {y:.1f})",
            )
        )
    for down, row in enumerate(rows):
        y = top + down * tall
        parts.append(
            el("text", el("title", row), cut(row, 30), x=left - 8, y=y + 15, text_anchor="end")
        )
        for index, column in enumerate(columns):
            count = pairs[row, column]
            x = left + index * wide
            parts.append(el("rect", x=x, y=y, width=wide, height=tall, class_="cell"))
            if count:
                deep = 0.18 + 0.5 * math.log1p(count) / math.log1p(most)
                parts += [
                    el(
                        "rect",
                        el("title", f"{row}, {column}: {count}"),
                        x=x + 1,
                        y=y + 1,
                        width=wide - 2,
                        height=tall - 2,
                        rx=2,
                        class_="heat",
                        fill_opacity=deep,
                    ),
                    el("text", str(count), x=x + wide / 2, y=y + 15, text_anchor="middle"),
                ]
    return svg(top + len(rows) * tall + 8, label, parts)


def _most(pairs: Counter[tuple[str, str]], side: int, most: int) -> list[str]:
    counted: Counter[str] = Counter()
    for pair, count in pairs.items():
        counted[pair[side]] += count
    return [name for name, _ in counted.most_common(most)]


def stages(steps: Sequence[Step]) -> Html:
    """How long each stage took: the middle half, the median, and all but the slowest hundredth."""
    taken: dict[str, list[float]] = {}
    for step in steps:
        for stage, seconds in step.seconds.items():
            taken.setdefault(stage, []).append(max(seconds, 1e-7))
    every = [seconds for some in taken.values() for seconds in some]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    high = max(high, low + 1)
    left, right = 140.0, WIDTH - 12.0

    def x_of(seconds: float) -> float:
        return left + (math.log10(seconds) - low) / (high - low) * (right - left)

    bottom = 8.0 + len(taken) * 24
    parts: list[Html] = []
    for power in range(low, high + 1):
        x = x_of(10.0**power)
        parts.append(el("line", x1=x, y1=4, x2=x, y2=bottom, class_="axis"))
        parts.append(
            el(
                "text",
                _duration(10.0**power),
                x=x,
                y=bottom + 14,
                text_anchor="middle",
                class_="quiet",
            )
        )
    for index, (stage, some) in enumerate(taken.items()):
        some.sort()
        y = 8.0 + index * 24
        q1, median, q3, slow = (_quantile(some, share) for share in (0.25, 0.5, 0.75, 0.99))
        told = f"{stage}: median {_duration(median)}, 99 of 100 below {_duration(slow)}"
        parts += [
            el("text", cut(stage, 20), x=left - 8, y=y + 12, text_anchor="end"),
            el(
                "line",
                el("title", told),
                x1=x_of(some[0]),
                y1=y + 8,
                x2=x_of(slow),
                y2=y + 8,
                class_="whisker",
            ),
            el(
                "rect",
                el("title", told),
                x=x_of(q1),
                y=y,
                width=max(x_of(q3) - x_of(q1), 1.5),
                height=16,
                rx=2,
                class_="box",
            ),
            el(
                "line",
                el("title", told),
                x1=x_of(median),
                y1=y,
                x2=x_of(median),
                y2=y + 16,
                class_="median",
            ),
        ]
    return svg(bottom + 22, "Time taken by each stage", parts)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _duration(seconds: float) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit * 0.9999:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e9:.3g} ns"


def data_flow(steps: Sequence[Step], flows: Sequence[Flow]) -> Html:
    """The calls that take part, from top to bottom; arcs from a result to the argument it fed."""
    shown = sorted(flows, key=lambda flow: -flow.letters)[:MOST_ARCS]
    numbers = sorted({number for flow in shown for number in (flow.source, flow.sink)})[:MOST_NODES]
    place = {number: index for index, number in enumerate(numbers)}
    left, tall = 250.0, 20.0
    pairs: dict[tuple[int, int], list[Flow]] = {}
    for flow in shown:
        if flow.source in place and flow.sink in place:
            pairs.setdefault((flow.source, flow.sink), []).append(flow)
    parts: list[Html] = []
    for (source, sink), some in sorted(pairs.items()):
        one, other = (12 + place[number] * tall for number in (source, sink))
        wide = min(24 + (other - one) * 0.42, left - 30)
        told = "; ".join(
            f"{flow.sink_path} from {flow.source_path}: {flow.how}" for flow in some[:6]
        )
        sends = is_sending(steps[sink - 1].tool)
        parts.append(
            el(
                "path",
                el("title", f"call {source} to call {sink}: {told}"),
                d=f"M{left:g} {one:g} C{left - wide:.1f} {one:g} "
                f"{left - wide:.1f} {other:g} {left:g} {other:g}",
                class_="arc sends" if sends else "arc",
                stroke_width=min(1.2 + math.log10(1 + sum(flow.letters for flow in some)), 5.0),
            )
        )
    for number in numbers:
        step = steps[number - 1]
        y = 12 + place[number] * tall
        parts += [
            el("circle", cx=left, cy=y, r=3.6, class_=f"f-{css(step.outcome)}"),
            el("text", f"{number}  {cut(step.tool, 56)}", x=left + 12, y=y + 4),
        ]
    return svg(len(numbers) * tall + 8, "Which results fed which arguments", parts, 620)
