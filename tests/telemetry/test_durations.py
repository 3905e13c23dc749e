"""Histograms of durations."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from callgate.telemetry.durations import Durations

BOUNDS = (0.001, 0.1, 1.0)


def test_a_bound_belongs_to_its_bucket() -> None:
    durations = Durations(BOUNDS)

    durations.add((2.0, 0.0005, 0.001))
    durations.add((0.0011,))

    assert durations.buckets() == [("0.001", 2), ("0.1", 3), ("1.0", 3), ("+Inf", 4)]
    assert math.isclose(durations.seconds, 2.0026)


@given(st.lists(st.lists(st.floats(min_value=0, max_value=10) | st.sampled_from(BOUNDS))))
def test_it_counts_as_the_prometheus_library_does(values: list[list[float]]) -> None:
    registry = CollectorRegistry()
    theirs = Histogram("x", "x", buckets=BOUNDS, registry=registry)
    ours = Durations(BOUNDS)

    for some in values:
        ours.add(some)
        for seconds in some:
            theirs.observe(seconds)

    assert math.isclose(ours.seconds, registry.get_sample_value("x_sum") or 0.0)
    for bound, count in ours.buckets():
        assert count == registry.get_sample_value("x_bucket", {"le": bound})
