"""The hashes of a log in memory, as a store keeps them: leaf hashes, and the tiles written so far."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.audit.frontier import Frontier
from callgate.audit.merkle import HASH_BYTES
from callgate.audit.tiles import WIDTH


class FakeHashes:
    """Implements Hashes; `asked` is what was read of it."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.leaves: list[bytes] = []
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.asked: list[tuple[int, int]] = []
        self.frontier = Frontier()
        self.extend(leaves)

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.leaves.append(leaf)
            self.frontier.append(leaf)
        self.keep(self.frontier)

    def keep(self, frontier: Frontier) -> None:
        for tile in frontier.take_tiles():
            self.tiles[tile.level, tile.number] = tile.hashes

    def tile(self, level: int, number: int) -> bytes:
        self.asked.append((level, number))
        kept = self.tiles.get((level, number))
        if kept is None and level == 0:
            kept = b"".join(self.leaves[number * WIDTH : (number + 1) * WIDTH])
        assert kept is None or len(kept) % HASH_BYTES == 0
        return kept or b""
