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

    for seconds in (0.0005, 0.001, 0.0011, 2.0):
        durations.add(seconds)

    assert durations.buckets() == [("0.001", 2), ("0.1", 3), ("1.0", 3), ("+Inf", 4)]
    assert math.isclose(durations.seconds, 2.0026)


@given(st.lists(st.floats(min_value=0, max_value=10) | st.sampled_from(BOUNDS)))
def test_it_counts_as_the_prometheus_library_does(values: list[float]) -> None:
    registry = CollectorRegistry()
    theirs = Histogram("x", "x", buckets=BOUNDS, registry=registry)
    ours = Durations(BOUNDS)

    for seconds in values:
        theirs.observe(seconds)
        ours.add(seconds)

    assert ours.seconds == registry.get_sample_value("x_sum")
    for bound, count in ours.buckets():
        assert count == registry.get_sample_value("x_bucket", {"le": bound})
