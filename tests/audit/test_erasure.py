import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.erasure import (
    MAX_STRETCHES,
    Erasures,
    What,
    erased,
    stretches,
    withdrawn,
    without,
)
from callgate.audit.record import indexed


def test_a_deletion_is_an_event_that_names_every_entry() -> None:
    entry = erased([(1, 3, 5)], "body", 7.0, {"reason": "older than 90 days"})

    assert indexed(entry.body) == entry
    assert (entry.kind, entry.code) == ("event", "erased")


@pytest.mark.parametrize("count", [0, MAX_STRETCHES + 1])
def test_an_event_does_not_name_nothing_nor_too_much(count: int) -> None:
    with pytest.raises(ValueError, match="stretches"):
        erased([(1, 3, 5)] * count, "body", 7.0, {})


def test_places_that_follow_each_other_are_one_stretch() -> None:
    places = [(1, 3), (1, 4), (1, 6), (2, 7), (2, 8)]

    assert list(stretches(places)) == [(1, 3, 4), (1, 6, 6), (2, 7, 8)]
    assert list(stretches([])) == []


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 30), st.integers(0, 5), st.booleans())),
    st.integers(1, 2),
    st.integers(0, 30),
    st.integers(0, 10),
    st.booleans(),
)
def test_what_no_event_names_is_found(
    told: list[tuple[int, int, int, bool]], log: int, first: int, more: int, has_body: bool
) -> None:
    erasures = Erasures()
    said = set()
    for where, begin, length, is_body in told:
        what: What = "body" if is_body else "payload"
        entry = erased([(where, begin, begin + length)], what, 1.0, {})
        erasures.add(entry.body)
        if is_body or has_body:
            said |= {(where, seq) for seq in range(begin, begin + length + 1)}

    unsaid = [seq for seq in range(first, first + more + 1) if (log, seq) not in said]
    found = erasures.first_unsaid(log, first, first + more, has_body=has_body)
    assert found == (unsaid[0] if unsaid else None)


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"\xff", b'{"what":"all","places":[]}', b'{"what":"body","places":[[1,2]]}'],
)
def test_what_is_no_deletion_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="no event of a deletion"):
        Erasures().add(body)


def test_what_was_taken_back_counts_as_not_deleted() -> None:
    said = erased([(1, 0, 9)], "payload", 1.0, {})
    back = withdrawn(said.call_id, [(1, 3, 4), (1, 9, 9)], "payload", 2.0)
    erasures = Erasures()
    erasures.take_back(back.body)  # of another log: it may come first
    erasures.add(said.body)
    assert erasures.first_unsaid(1, 0, 9, has_body=True) == 3
    assert erasures.first_unsaid(1, 5, 8, has_body=True) is None
    erasures.add(erased([(1, 4, 4)], "payload", 3.0, {}).body)  # once the hold was released
    assert erasures.first_unsaid(1, 4, 8, has_body=True) is None
    with pytest.raises(ValueError, match="takes nothing back"):
        erasures.take_back(b"{}")


@pytest.mark.parametrize(
    ("back", "left"),
    [
        ([], [(0, 9)]),
        ([(0, 9)], []),
        ([(0, 0), (9, 9)], [(1, 8)]),
        ([(3, 4), (4, 6)], [(0, 2), (7, 9)]),
        ([(20, 30)], [(0, 9)]),
    ],
)
def test_stretches_without_others(back: list[tuple[int, int]], left: list[tuple[int, int]]) -> None:
    assert list(without([(0, 9)], back)) == left
