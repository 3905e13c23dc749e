"""Overlapping finds become one, and what we wrote ourselves is cut out of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.spans import Span, merged, without

SPANS = st.lists(
    st.builds(
        lambda start, size, kind: Span(start, start + size, kind),
        st.integers(0, 60),
        st.integers(1, 20),
        st.sampled_from(["email", "card", "key"]),
    ),
    max_size=8,
)


def covered(spans: list[Span]) -> set[int]:
    return {place for span in spans for place in range(span.start, span.end)}


@given(SPANS)
def test_merged_spans_cover_the_same_and_do_not_overlap(spans: list[Span]) -> None:
    made = merged(spans)

    assert covered(made) == covered(spans)
    assert all(one.end <= other.start for one, other in pairwise(made))


def test_the_widest_of_those_that_overlap_gives_the_kind() -> None:
    assert merged([Span(0, 5, "phone"), Span(3, 20, "card")]) == [Span(0, 20, "card")]
    assert merged([Span(0, 5, "phone"), Span(5, 6, "card")]) == [
        Span(0, 5, "phone"),
        Span(5, 6, "card"),
    ]


def test_a_secret_stays_one_whatever_overlaps_it() -> None:
    assert merged([Span(4, 8, "key"), Span(0, 30, "email")]) == [Span(0, 30, "key")]


@given(SPANS, st.integers(0, 60), st.integers(1, 30))
def test_a_hole_is_cut_out_and_nothing_else(spans: list[Span], start: int, size: int) -> None:
    hole = (start, start + size)

    for span in spans:
        assert covered(without(span, [hole])) == covered([span]) - set(range(*hole))
