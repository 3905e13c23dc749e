"""The growing edge of a log: what its writer keeps to know the root after each entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from callgate.audit.merkle import EMPTY_ROOT, HASH_BYTES, node_hash
from callgate.audit.tiles import HEIGHT, WIDTH, Hashes, Tile, TileError, Tree

_LAST = WIDTH - 1  # the place of the last hash in a tile

_sha256 = hashlib.sha256


class Frontier:
    """The roots of the whole subtrees that a tree consists of, and the tiles that still grow.

    About one hash for each entry. A writer whose transaction may fail adds to a `copy`.
    """

    __slots__ = ("_changed", "_growing", "_nodes", "size")

    def __init__(self) -> None:
        self.size = 0
        self._nodes: list[bytes] = []  # one for each bit of `size`, the largest first
        self._growing: list[list[bytes]] = [[]]  # by level: the hashes of the tile that grows
        self._changed: dict[tuple[int, int], bytes] = {}

    @classmethod
    def restored(cls, size: int, hashes: Hashes) -> Frontier:
        """The edge of a log of `size`, of what is kept of it. Raises TileError."""
        made, tree = cls(), Tree(hashes, size)
        made.size = size
        for height in range(size.bit_length() - 1, -1, -1):
            if size >> height & 1:
                made._nodes.append(tree.node(height, (size >> height) - 1))
        made._growing = []
        for level in range(size.bit_length() // HEIGHT + 1):
            number, count = divmod(size >> HEIGHT * level, WIDTH)
            made._growing.append(_hashes_of(hashes, level, number, count))
        return made

    def copy(self) -> Frontier:
        """Another one at the same place."""
        made = Frontier()
        made.size = self.size
        made._nodes = self._nodes.copy()
        made._growing = [hashes.copy() for hashes in self._growing]
        made._changed = dict(self._changed)
        return made

    def append(self, leaf: bytes) -> None:
        """Adds one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Adds leaf hashes."""
        nodes, edge = self._nodes, self._growing[0]
        for leaf in leaves:
            edge.append(leaf)
            node, rest = leaf, self.size
            if rest & _LAST == _LAST:
                node, rest = self._close(node)
                edge = self._growing[0]
            while rest & 1:
                node = _sha256(b"\x01" + nodes.pop() + node).digest()
                rest >>= 1
            nodes.append(node)
            self.size += 1

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        if not self._nodes:
            return EMPTY_ROOT
        node = self._nodes[-1]
        for left in self._nodes[-2::-1]:
            node = node_hash(left, node)
        return node

    def take_tiles(self) -> list[Tile]:
        """The tiles to be kept that are new or have grown since this was asked last.

        On level 0 only full ones: the records have the leaf hashes behind them. One of a higher
        level comes again each time it has grown, and replaces what was kept of it.
        """
        changed, self._changed = self._changed, {}
        return [
            Tile(level=level, number=number, hashes=hashes)
            for (level, number), hashes in changed.items()
        ]

    def _close(self, node: bytes) -> tuple[bytes, int]:
        """The last leaf of a tile: the hash over it goes into the tile above, and so on.

        Returns the node that is still to be joined with those before it, and how many there are.
        """
        nodes, rest, level = self._nodes, self.size, 0
        while rest & _LAST == _LAST:
            for _ in range(HEIGHT):
                node = _sha256(b"\x01" + nodes.pop() + node).digest()
            self._keep(level, rest // WIDTH)
            self._growing[level] = []
            level, rest = level + 1, rest // WIDTH
            if level == len(self._growing):
                self._growing.append([])
            self._growing[level].append(node)
        self._keep(level, rest // WIDTH)
        return node, rest

    def _keep(self, level: int, number: int) -> None:
        self._changed[level, number] = b"".join(self._growing[level])


def _hashes_of(hashes: Hashes, level: int, number: int, count: int) -> list[bytes]:
    if not count:
        return []
    kept = hashes.tile(level, number)
    if len(kept) < count * HASH_BYTES:
        raise TileError(f"tile {number} of level {level} has not all of its hashes")
    return [kept[at : at + HASH_BYTES] for at in range(0, count * HASH_BYTES, HASH_BYTES)]
