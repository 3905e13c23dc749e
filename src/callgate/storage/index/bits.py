"""Sets of places within one block of the record, as numbers whose bits are the places."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence

BLOCK = 1024  # records of a log that are indexed together
DENSE_BYTES = BLOCK // 8


def packed(places: Sequence[int]) -> bytes:
    """Places in order, in the shorter form: two bytes for each, or a bit for each possible one."""
    if len(places) == 1:  # most are
        return places[0].to_bytes(2, "little")
    if 2 * len(places) < DENSE_BYTES:
        return _little(array("H", places)).tobytes()
    return of_places(places).to_bytes(DENSE_BYTES, "little")


def unpacked(raw: bytes) -> int:
    """The bits that `packed` wrote."""
    if len(raw) == DENSE_BYTES:
        return int.from_bytes(raw, "little")
    places = array("H")
    places.frombytes(raw)
    return of_places(_little(places))


def of_places(places: Iterable[int]) -> int:
    """A bit for each place."""
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits


def downwards(bits: int) -> Iterator[int]:
    """The places, the highest first."""
    while bits:
        top = bits.bit_length() - 1
        yield top
        bits ^= 1 << top


def _little(places: array[int]) -> array[int]:
    if sys.byteorder == "big":
        places.byteswap()
    return places
