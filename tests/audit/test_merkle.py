import hashlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scitt_cose import merkle as other  # type: ignore[import-untyped]  # it has no types

from callgate.audit.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    ProofError,
    check_consistency,
    check_inclusion,
    leaf_hash,
    root,
    root_by_inclusion,
)
from callgate.audit.tiles import Tree
from fakes.hashes import FakeHashes

# The leaves and roots that the reference implementation of RFC 6962 publishes with its tests.
PUBLISHED_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
PUBLISHED_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def entries(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(entry) for entry in entries(count)]


def tree(count: int) -> Tree:
    return Tree(FakeHashes(leaves(count)), count)


@pytest.mark.parametrize("count", range(1, 9))
def test_roots_are_those_that_are_published(count: int) -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in PUBLISHED_LEAVES[:count]]

    assert root(hashes).hex() == PUBLISHED_ROOTS[count - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_roots_and_proofs_are_those_of_another_implementation_for_all_sizes_to_300() -> None:
    hexed = [entry.hex() for entry in entries(300)]
    for count in range(1, 301):
        made = tree(count)
        assert made.root().hex() == root(leaves(count)).hex() == other.merkle_root(hexed[:count])
        for index in {0, 1, count // 3, count // 2, count - 2, count - 1} & set(range(count)):
            path = [step.hex() for step in made.inclusion(index)]
            assert path == other.inclusion_proof(hexed[:count], index)
            assert other.verify_inclusion(hexed[index], index, count, path, made.root().hex())
            size = index + 1
            path = [step.hex() for step in made.consistency(size)]
            assert path == other.consistency_proof(hexed, size, count)


def test_every_proof_of_every_tree_to_130_holds() -> None:
    hashes = leaves(130)
    roots = [root(hashes[:count]) for count in range(131)]
    for count in range(1, 131):
        made = tree(count)
        for index in range(count):
            check_inclusion(hashes[index], index, count, made.inclusion(index), roots[count])
        for size in range(count + 1):
            check_consistency(size, roots[size], count, roots[count], made.consistency(size))


Damage = Callable[[list[bytes]], list[bytes]]
DAMAGES: dict[str, Damage] = {
    "a step is missing at the end": lambda path: path[:-1],
    "a step is missing at the start": lambda path: path[1:],
    "a step too many": lambda path: [*path, bytes(32)],
    "a step twice": lambda path: [path[0], *path],
    "two steps exchanged": lambda path: [*path[:-2], path[-1], path[-2]],
    "one bit is another": lambda path: [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]],
    "a step is short": lambda path: [path[0][:31], *path[1:]],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_proof_proves_nothing(damage: Damage) -> None:
    hashes, made = leaves(77), tree(77)

    with pytest.raises(ProofError):
        check_inclusion(hashes[41], 41, 77, damage(made.inclusion(41)), made.root())
    with pytest.raises(ProofError):
        check_consistency(41, root(hashes[:41]), 77, made.root(), damage(made.consistency(41)))


@example((169, 168, 112, 113))
@given(
    st.integers(1, 300).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.integers(0, count - 1),
            st.integers(0, 299),
            st.integers(1, 300) | st.just(count),
        )
    )
)
def test_an_inclusion_proof_proves_its_own_place_only(of: tuple[int, int, int, int]) -> None:
    count, index, other_index, other_count = of
    made = tree(count)
    path, expected = made.inclusion(index), made.root()
    check_inclusion(leaves(count)[index], index, count, path, expected)

    if (other_index, other_count) != (index, count):
        try:
            check_inclusion(leaves(count)[index], other_index, other_count, path, expected)
        except ProofError:
            pass
        else:  # the same path may also be one in a tree of another size, which was not signed so
            assert other_count != count
    if count > 1:
        with pytest.raises(ProofError):
            check_inclusion(leaf_hash(b"another"), index, count, path, expected)


@given(st.data())
def test_a_consistency_proof_holds_for_these_two_trees_only(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 300))
    size = data.draw(st.integers(1, count - 1))
    changed = data.draw(st.integers(0, size - 1))
    hashes, made = leaves(count), tree(count)
    path = made.consistency(size)
    check_consistency(size, root(hashes[:size]), count, made.root(), path)

    hashes[changed] = leaf_hash(b"another")
    with pytest.raises(ProofError):
        check_consistency(size, root(hashes[:size]), count, made.root(), path)
    with pytest.raises(ProofError):
        check_consistency(size, root(leaves(size)), count, root(hashes), path)


@pytest.mark.parametrize(
    ("size", "newer", "problem"),
    [(-1, 5, "go on"), (6, 5, "go on"), (1, MAX_SIZE + 1, "go on"), (2, 5, "too short")],
)
def test_sizes_that_cannot_be_are_refused(size: int, newer: int, problem: str) -> None:
    with pytest.raises(ProofError, match=problem):
        check_consistency(size, bytes(32), newer, bytes(32), [])


def test_trees_of_one_size_must_be_the_same() -> None:
    with pytest.raises(ProofError, match="different roots"):
        check_consistency(3, bytes(32), 3, b"\1" * 32, [])
    with pytest.raises(ProofError, match="empty tree"):
        check_consistency(0, bytes(32), 3, b"\1" * 32, [])
    check_consistency(0, EMPTY_ROOT, 3, b"\1" * 32, [])


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, MAX_SIZE + 1)])
def test_a_leaf_outside_its_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(ProofError, match="no leaf"):
        root_by_inclusion(bytes(32), index, size, [])
