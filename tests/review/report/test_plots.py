"""Plots say what they show, whatever there is to be shown."""

from collections import Counter

import pytest
from msgspec.structs import replace

from callgate.review.flow import trace
from callgate.review.report import plots
from callgate.review.steps import Step
from fakes.pages import HOSTILE, read
from fakes.steps import a_step, refused, run_of, structured

STEPS = run_of(
    a_step("crm___get", {}, structured(id="A-1002-XK"), seconds={"identify": 0.0001, "forward": 0.2}),
    a_step("mail___send", {"id": "A-1002-XK"}, seconds={"identify": 0.0002, "forward": 2.0}),
    refused("shop___refund", {}, seconds={"identify": 0.00005}),
    every=3600 * 30,
)  # fmt: skip


def test_calls_over_time_are_stacked_by_outcome_with_a_legend() -> None:
    reading = read(plots.over_time(STEPS).markup)

    assert "1 refused" in reading.text
    assert reading.tags.count("rect") == 3
    assert reading.text.endswith("okrefused")


@pytest.mark.parametrize("count", [1, 2])
def test_a_moment_is_a_time_too(count: int) -> None:
    one = replace(STEPS[0], received_at=5.0)

    assert read(plots.over_time([one] * count).markup).tags.count("rect") == 1


def test_bars_are_longest_first_and_few() -> None:
    counted = Counter({f"policy-{n}": n + 1 for n in range(30)})
    reading = read(plots.bars(counted, "Refusals", "refused").markup)

    assert reading.tags.count("rect") == plots.MOST_ROWS
    assert reading.text.index("policy-29") < reading.text.index("policy-28")
    assert "and 16 more" in reading.text


def test_a_heatmap_has_its_numbers_in_the_cells() -> None:
    reading = read(plots.heatmap(Counter({("a___b", "sam"): 7, ("c___d", "eve"): 1}), "x").markup)

    assert "a___b, sam: 7" in reading.text
    assert reading.tags.count("rect") == 4 + 2


def test_stages_show_the_median_and_the_slow_ones() -> None:
    reading = read(plots.stages(STEPS).markup)

    assert "forward: median 2 s, 99 of 100 below 2 s" in reading.text
    assert "100 µs" in reading.text


def test_data_flow_leads_from_results_to_arguments() -> None:
    reading = read(plots.data_flow(STEPS, trace(STEPS).flows).markup)

    assert "call 1 to call 2: /id from /structuredContent/id: the same value" in reading.text
    assert reading.tags.count("path") == 1
    assert reading.tags.count("circle") == 2


def test_large_flows_are_drawn_in_part() -> None:
    steps: list[Step] = [
        a_step("crm___get", {}, structured(ids=[f"A-{n:06}-XK" for n in range(500)]))
    ]
    steps += [a_step("shop___refund", {"id": f"A-{n:06}-XK"}) for n in range(500)]
    run = run_of(*steps)

    assert (
        read(plots.data_flow(run, trace(run).flows).markup).tags.count("circle") == plots.MOST_NODES
    )


def test_hostile_names_are_labels() -> None:
    steps = run_of(a_step(HOSTILE, {}, principal=HOSTILE, seconds={HOSTILE: 0.1}))

    read(plots.over_time(steps).markup)
    read(plots.bars(Counter({HOSTILE: 2}), HOSTILE, "refused").markup)
    read(plots.heatmap(Counter({(HOSTILE, HOSTILE): 2}), HOSTILE).markup)
    read(plots.stages(steps).markup)
    assert plots.cut("x" * 50, 10) == "…" + "x" * 9
