"""A tree kept as tiles of 256 hashes (C2SP tlog-tiles): roots and proofs of few reads."""

from __future__ import annotations

from typing import Protocol

from callgate.audit.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE, node_hash, root
from callgate.model import Value

HEIGHT = 8  # levels of the tree in one tile
WIDTH = 1 << HEIGHT


class TileError(Exception):
    """The tiles do not hold what the tree needs; the message says which."""


class Tile(Value):
    """Hashes of neighbours: leaf hashes on level 0, else the roots of tiles of the level below."""

    level: int
    number: int  # its first hash is that of node `number * WIDTH`, counted on its level
    hashes: bytes  # HASH_BYTES each; WIDTH of them where it is full


class Hashes(Protocol):
    """Where the hashes of one log are kept."""

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile one after the other, as many as there are, `b""` where none.

        On level 0 they are leaf hashes, also those behind the last full tile.
        """


class Tree:
    """The tree over the first `size` leaves of a log. Keeps each tile that it asked for."""

    def __init__(self, hashes: Hashes, size: int) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise ValueError(f"there is no tree of {size}")
        self.size = size
        self._hashes = hashes
        self._tiles: dict[tuple[int, int], bytes] = {}

    def root(self) -> bytes:
        """Raises TileError."""
        return self._over(0, self.size) if self.size else EMPTY_ROOT

    def leaf(self, index: int) -> bytes:
        """The hash of one leaf. Raises TileError."""
        return self._over(index, index + 1)

    def inclusion(self, index: int) -> list[bytes]:
        """What proves that a leaf is in the tree (RFC 9162 §2.1.3.1). Raises TileError."""
        if not 0 <= index < self.size:
            raise ValueError(f"there is no leaf {index} in a tree of {self.size}")
        first, last, path = 0, self.size, []
        while last - first > 1:
            middle = first + _split(last - first)
            if index < middle:
                path.append(self._over(middle, last))
                last = middle
            else:
                path.append(self._over(first, middle))
                first = middle
        return path[::-1]

    def consistency(self, size: int) -> list[bytes]:
        """What proves that the tree goes on from that of `size` (§2.1.4.1). Raises TileError."""
        if not 0 <= size <= self.size:
            raise ValueError(f"a tree of {self.size} does not go on from one of {size}")
        if size in (0, self.size):
            return []
        first, last, path = 0, self.size, []
        while size < last:
            middle = first + _split(last - first)
            if size <= middle:
                path.append(self._over(middle, last))
                last = middle
            else:
                path.append(self._over(first, middle))
                first = middle
        if first:  # else it is the older tree itself, whose root the reader has
            path.append(self._over(first, last))
        return path[::-1]

    def node(self, height: int, index: int) -> bytes:
        """The root of the whole subtree over the leaves from `index * 2**height`. TileError."""
        level, within = divmod(height, HEIGHT)
        number, first = divmod(index << within, WIDTH)
        hashes = self._tile(level, number)
        last = first + (1 << within)
        if len(hashes) < last * HASH_BYTES:
            raise TileError(f"tile {number} of level {level} has not all of its hashes")
        return root([hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(first, last)])

    def _over(self, first: int, last: int) -> bytes:
        """The root over the leaves from `first` to before `last`: whole subtrees, joined."""
        nodes = []
        while first < last:
            # `first` is where a subtree of the split begins, so the largest that fits is whole.
            height = (last - first).bit_length() - 1
            nodes.append(self.node(height, first >> height))
            first += 1 << height
        node = nodes.pop()
        while nodes:
            node = node_hash(nodes.pop(), node)
        return node

    def _tile(self, level: int, number: int) -> bytes:
        key = level, number
        kept = self._tiles.get(key)
        if kept is None:
            kept = self._tiles[key] = self._hashes.tile(level, number)
        return kept


def _split(count: int) -> int:
    """The largest power of two below `count`: so many leaves are on the left."""
    return 1 << (count - 1).bit_length() - 1
