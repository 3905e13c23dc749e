"""Whether the tiles that are kept of a log are those that its records give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from callgate.audit.merkle import HASH_BYTES
from callgate.audit.tiles import WIDTH, Tile
from callgate.model import Value

MOST = 20  # of odd tiles that are told


class OddTile(Value):
    """A tile that is not what the records give, or one too many, or one too few."""

    level: Any
    number: Any
    reason: str
    seq: int | None = None  # of the first record for which it has another hash
    stood_at: int | None = None  # where it has the hash of that record instead


class TileWatch:
    """Takes what is kept, in order of level and number, while the tree grows."""

    def __init__(self, kept: Iterable[Tile]) -> None:
        self._kept: Iterator[Tile] = iter(kept)
        self._next = next(self._kept, None)
        self._above: dict[tuple[int, int], bytes] = {}  # what is to be kept on higher levels
        self._odd: list[OddTile] = []

    def take(self, grown: Iterable[Tile]) -> None:
        """Tiles as the records give them."""
        for tile in grown:
            if tile.level:
                self._above[tile.level, tile.number] = tile.hashes
            else:
                self._hold(tile)

    def found(self, *, is_whole: bool) -> tuple[OddTile, ...]:
        """All that is odd. `is_whole`: the records were seen to their end."""
        if is_whole:
            self._rest()
        return tuple(self._odd)

    def _hold(self, tile: Tile) -> None:
        while self._next is not None and self._next.level == 0 and self._next.number < tile.number:
            self._say(self._next, "it was there already")
            self._next = next(self._kept, None)
        kept = self._next
        if kept is None or kept.level != 0 or kept.number != tile.number:
            self._say(tile, "it is missing")
            return
        self._next = next(self._kept, None)
        if kept.hashes != tile.hashes:
            self._odd_one(tile, kept.hashes)

    def _odd_one(self, tile: Tile, kept: Any) -> None:
        if not isinstance(kept, bytes) or len(kept) != len(tile.hashes):
            self._say(tile, "it has not the hashes of 256 records")
            return
        given, had = _hashes(tile.hashes), _hashes(kept)
        at = next(at for at in range(WIDTH) if given[at] != had[at])
        first = tile.number * WIDTH
        stood_at = first + had.index(given[at]) if given[at] in had else None
        self._say(
            tile, f"its hash for record {first + at} is another", seq=first + at, stood_at=stood_at
        )

    def _rest(self) -> None:
        while self._next is not None:
            kept, self._next = self._next, next(self._kept, None)
            meant = self._above.pop((kept.level, kept.number), None) if kept.level else None
            if meant is None:
                self._say(kept, "it is of records that are not there")
            elif kept.hashes != meant:
                self._say(kept, "its hashes are not those of the tiles below it")
        for level, number in self._above:
            self._say(Tile(level=level, number=number, hashes=b""), "it is missing")

    def _say(
        self, tile: Tile, reason: str, *, seq: int | None = None, stood_at: int | None = None
    ) -> None:
        if len(self._odd) < MOST:
            odd = OddTile(
                level=tile.level, number=tile.number, reason=reason, seq=seq, stood_at=stood_at
            )
            self._odd.append(odd)


def _hashes(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
