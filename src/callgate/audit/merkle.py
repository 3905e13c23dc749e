"""The Merkle tree of RFC 9162 §2.1: hashes, roots, proofs of inclusion and of consistency."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()  # of a tree without leaves
MAX_SIZE = (1 << 63) - 1  # of a tree that anybody is asked to believe in

_sha256 = hashlib.sha256


class ProofError(ValueError):
    """A proof does not prove what it is given for; the message says why."""


def leaf_hash(entry: bytes) -> bytes:
    """What stands in the tree for an entry."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """What stands in the tree for two subtrees."""
    return _sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, level by level: an odd one out moves up as it is."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        pairs = iter(level)
        above = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=False)]
        if len(level) & 1:
            above.append(level[-1])
        level = above
    return level[0]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` in which the leaf has this path (§2.1.3.2). ProofError."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    at, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        at >>= 1
        last >>= 1
    if last:
        raise ProofError("the inclusion proof is too short")
    return node


def check_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes
) -> None:
    """Raises ProofError unless the leaf stands at `index` in the tree with this root."""
    _check_hashes(leaf, expected, *path)
    if root_by_inclusion(leaf, index, size, path) != expected:
        raise ProofError("the inclusion proof leads to another root")


def check_consistency(
    size: int, older: bytes, newer_size: int, newer: bytes, path: Sequence[bytes]
) -> None:
    """Raises ProofError unless the newer tree begins with the whole older one (§2.1.4.2)."""
    _check_hashes(older, newer, *path)
    if not 0 <= size <= newer_size <= MAX_SIZE:
        raise ProofError(f"a tree of {newer_size} does not go on from one of {size}")
    if size == 0 or size == newer_size:
        _check_trivial(size, older, newer, path)
        return
    # The older tree is whole where its size is a power of two; then its root begins the proof.
    steps = list(path) if size & (size - 1) else [older, *path]
    if not steps:
        raise ProofError("the consistency proof is too short")
    was, now = _roots_by_consistency(size, newer_size, steps)
    if was != older:
        raise ProofError("the consistency proof leads to another older root")
    if now != newer:
        raise ProofError("the consistency proof leads to another newer root")


def _check_trivial(size: int, older: bytes, newer: bytes, path: Sequence[bytes]) -> None:
    if path:
        raise ProofError("the consistency proof is too long")
    if size == 0 and older != EMPTY_ROOT:
        raise ProofError("this is not the root of an empty tree")
    if size and older != newer:
        raise ProofError("two trees of one size have different roots")


def _roots_by_consistency(
    size: int, newer_size: int, steps: Sequence[bytes]
) -> tuple[bytes, bytes]:
    at, last = size - 1, newer_size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    was = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if at & 1 or at == last:
            was, now = node_hash(step, was), node_hash(step, now)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            now = node_hash(now, step)
        at >>= 1
        last >>= 1
    if last:
        raise ProofError("the consistency proof is too short")
    return was, now


def _check_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise ProofError(f"a hash in the proof has not {HASH_BYTES} bytes")
