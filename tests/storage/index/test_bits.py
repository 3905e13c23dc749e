from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callgate.storage.index.bits import BLOCK, DENSE_BYTES, downwards, of_places, packed, unpacked

PLACES = st.sets(st.integers(0, BLOCK - 1)).map(sorted)


@given(PLACES)
def test_places_come_back_as_they_were_the_highest_first(places: list[int]) -> None:
    raw = packed(places)
    assert unpacked(raw) == of_places(places)
    assert list(downwards(unpacked(raw))) == places[::-1]
    assert len(raw) <= DENSE_BYTES


def test_many_places_take_a_bit_each_and_few_take_two_bytes() -> None:
    assert len(packed(range(BLOCK))) == DENSE_BYTES
    assert packed([1]) == b"\x01\x00"
    assert packed([1, 515]) == b"\x01\x00\x03\x02"
    assert packed([]) == b""
    least_dense = DENSE_BYTES // 2
    assert unpacked(packed(range(least_dense))) == (1 << least_dense) - 1
