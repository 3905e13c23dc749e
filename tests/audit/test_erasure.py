import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.erasure import MAX_STRETCHES, Erasures, What, erased, stretches
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
