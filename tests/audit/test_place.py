import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.place import MAX_LOG, MAX_SEQ, bounds, place, position


@given(st.integers(0, MAX_LOG), st.integers(0, MAX_SEQ))
def test_a_position_is_read_as_the_place_that_it_was_made_of(log: int, seq: int) -> None:
    number = position(log, seq)

    assert place(number) == (log, seq)
    assert 0 <= number < 1 << 63


def test_positions_of_a_log_follow_each_other_and_end_before_the_next_log() -> None:
    assert position(3, 5) + 1 == position(3, 6)
    assert bounds(3)[1] + 1 == bounds(4)[0]


@pytest.mark.parametrize(("log", "seq"), [(-1, 0), (0, -1), (MAX_LOG + 1, 0), (0, MAX_SEQ + 1)])
def test_what_is_no_place_has_no_position(log: int, seq: int) -> None:
    with pytest.raises(ValueError, match="no place"):
        position(log, seq)


@pytest.mark.parametrize("number", [-1, 1 << 63])
def test_what_is_no_position_has_no_place(number: int) -> None:
    with pytest.raises(ValueError, match="no position"):
        place(number)
