import pytest

from callgate.audit.merkle import EMPTY_ROOT, check_consistency, check_inclusion, leaf_hash, root
from callgate.audit.tiles import WIDTH, TileError, Tree
from fakes.hashes import FakeHashes

COUNT = 3 * WIDTH + 77
LEAVES = [leaf_hash(b"%d" % number) for number in range(COUNT)]
# Larger than 256 tiles, so that there are three levels; of one leaf hash, so that it is quick.
LARGE = WIDTH * WIDTH + 2 * WIDTH + 3


@pytest.fixture(scope="module")
def large() -> FakeHashes:
    return FakeHashes([LEAVES[number % COUNT] for number in range(LARGE)])


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, COUNT])
def test_the_root_of_tiles_is_the_root_of_the_leaves(size: int) -> None:
    assert Tree(FakeHashes(LEAVES), size).root() == root(LEAVES[:size])


def test_the_root_of_no_leaves_needs_no_tiles() -> None:
    hashes = FakeHashes()

    assert Tree(hashes, 0).root() == EMPTY_ROOT
    assert hashes.asked == []


@pytest.mark.parametrize("size", [LARGE, WIDTH * WIDTH, WIDTH * WIDTH + 1, LARGE - WIDTH])
def test_proofs_in_a_large_tree_hold_and_need_few_tiles(large: FakeHashes, size: int) -> None:
    expected = root(large.leaves[:size])
    for index in (0, 255, 256, size // 2, size - 1):
        large.asked.clear()
        made = Tree(large, size)
        path = made.inclusion(index)

        check_inclusion(large.leaves[index], index, size, path, expected)
        assert len(large.asked) <= 6

        older = root(large.leaves[: index + 1])
        check_consistency(index + 1, older, size, expected, made.consistency(index + 1))


def test_a_leaf_is_found_in_its_tile(large: FakeHashes) -> None:
    assert Tree(large, LARGE).leaf(70_000 % LARGE) == large.leaves[70_000 % LARGE]


def test_a_tile_that_is_not_there_is_named() -> None:
    hashes = FakeHashes(LEAVES)
    hashes.tiles[1, 0] = hashes.tiles[1, 0][:64]

    with pytest.raises(TileError, match="tile 0 of level 1"):
        Tree(hashes, COUNT).root()


def test_what_is_not_in_the_tree_is_not_proved() -> None:
    made = Tree(FakeHashes(LEAVES), 5)

    with pytest.raises(ValueError, match="no leaf 5"):
        made.inclusion(5)
    with pytest.raises(ValueError, match="from one of 6"):
        made.consistency(6)
    with pytest.raises(ValueError, match="no tree of -1"):
        Tree(FakeHashes(), -1)
