"""W3C trace context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callgate.model import Json
from callgate.telemetry.trace_context import (
    Ids,
    Parent,
    new_ids,
    read_traceparent,
    sample_bound,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = Parent(trace_id=int(TRACE, 16), span_id=int(SPAN, 16), flags=1)
NEVER, ALWAYS = sample_bound(0.0), sample_bound(1.0)


def test_a_parent_is_read_with_its_flags() -> None:
    assert read_traceparent(f"00-{TRACE}-{SPAN}-01") == PARENT
    sampled_not = read_traceparent(f"00-{TRACE}-{SPAN}-00")
    assert sampled_not is not None
    assert not sampled_not.is_sampled


def test_a_later_version_is_read_as_far_as_we_know_it() -> None:
    assert read_traceparent(f"01-{TRACE}-{SPAN}-f5-more") == PARENT


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        ["00"],
        "",
        "junk",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
    ],
)
def test_what_is_not_valid_is_no_parent(text: Json) -> None:
    assert read_traceparent(text) is None


@given(st.text())
def test_no_text_makes_the_reader_fail(text: str) -> None:
    read_traceparent(text)


def test_a_child_stays_in_its_parents_trace_and_follows_its_sampling() -> None:
    for bound in (NEVER, ALWAYS):
        for flags in (0, 1, 2, 3):
            ids = new_ids(Parent(trace_id=PARENT.trace_id, span_id=1, flags=flags), bound)
            assert (ids.trace_id, ids.flags) == (PARENT.trace_id, flags)


def test_a_new_trace_is_sampled_by_the_ratio() -> None:
    assert not any(new_ids(None, NEVER).is_sampled for _ in range(100))
    assert all(new_ids(None, ALWAYS).is_sampled for _ in range(100))


@given(st.floats(min_value=0, max_value=1))
def test_the_ratio_means_what_it_means_to_opentelemetry(ratio: float) -> None:
    ids = new_ids(None, sample_bound(ratio))
    theirs = TraceIdRatioBased(ratio).should_sample(None, ids.trace_id, "x")

    assert ids.is_sampled == (theirs.decision is Decision.RECORD_AND_SAMPLE)


def test_ids_differ_from_call_to_call() -> None:
    many = [new_ids(None, ALWAYS) for _ in range(100)]

    spans = [span for ids in many for span in (ids.server_span_id, ids.client_span_id)]
    assert len({ids.trace_id for ids in many}) == 100
    assert len(set(spans)) == 200


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.sampled_from([0, 1, 2, 3]))
def test_what_goes_upstream_is_read_there_as_our_client_span(
    trace_id: int, span_id: int, flags: int
) -> None:
    ids = Ids(trace_id=trace_id, server_span_id=1, client_span_id=span_id, flags=flags)

    assert read_traceparent(ids.traceparent) == Parent(
        trace_id=trace_id, span_id=span_id, flags=flags
    )
    context = TraceContextTextMapPropagator().extract({"traceparent": ids.traceparent})
    theirs = get_current_span(context).get_span_context()
    assert (theirs.trace_id, theirs.span_id) == (trace_id, span_id)
