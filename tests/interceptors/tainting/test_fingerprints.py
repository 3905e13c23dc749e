"""Fingerprints tell copies from others, hold no text, and take little room."""

from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.identifying import WINDOW
from callgate.interceptors.tainting.fingerprints import CHUNK, Kept, Prints


def numbers(prints: Prints, stream: bytes) -> list[int]:
    return [number for some in prints.windows(stream) for number in some]


def test_each_window_has_a_number_and_equal_windows_have_the_same() -> None:
    prints = Prints()
    stream = b"abcdefghijklmnop" * 2

    found = numbers(prints, stream)

    assert len(found) == len(stream) - WINDOW + 1
    assert len(set(found)) == 16
    assert found[0] == found[16] == numbers(prints, stream[:WINDOW])[0]


def test_long_streams_come_in_pieces_without_a_gap() -> None:
    prints = Prints()
    stream = bytes(97 + at * at % 26 for at in range(CHUNK + 100))

    found = numbers(prints, stream)

    assert len(found) == len(stream) - WINDOW + 1
    assert found[CHUNK - 5] == numbers(prints, stream[CHUNK - 5 : CHUNK - 5 + WINDOW])[0]


def test_numbers_of_another_process_are_others() -> None:
    stream = b"abcdefghijklmnop"

    assert set(numbers(Prints(), stream)).isdisjoint(numbers(Prints(), stream))


def test_a_token_is_never_a_window() -> None:
    prints = Prints()

    assert set(prints.tokens([b"a1b2c3"])).isdisjoint(numbers(prints, b"a1b2c3" * 9))


def test_less_than_a_window_has_none() -> None:
    assert numbers(Prints(), b"abcdefghijk") == [] == numbers(Prints(), b"")


def test_what_is_kept_is_found_and_nothing_else() -> None:
    kept = Kept()
    for start in range(0, 1000, 50):
        kept = kept.plus(set(range(start, start + 60)))

    assert kept.among({5, 999, 1009, 1010, 5000}) == {5, 999, 1009}
    assert kept.among(set(range(2000))) == set(range(1010))
    assert len(kept) == 1010


@given(st.lists(st.sets(st.integers(0, 2**64 - 1))))
def test_sets_that_are_added_make_their_union(sets: list[set[int]]) -> None:
    kept, union = Kept(), set[int]()
    for some in sets:
        kept = kept.plus(some)
        union |= some

    assert len(kept) == len(union)
    assert kept.among(union | {1, 2, 3}) & union == union


def test_many_are_merged_in_steps_and_none_is_lost() -> None:
    kept = Kept()
    for start in range(0, 60_000, 20_000):
        kept = kept.plus(set(range(start, 120_000, 7)))

    whole = {*range(0, 120_000, 7), *range(20_000, 120_000, 7), *range(40_000, 120_000, 7)}
    assert len(kept) == len(whole)
    assert kept.among(set(range(120_000))) == whole
