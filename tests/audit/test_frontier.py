import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.frontier import Frontier
from callgate.audit.merkle import leaf_hash, root
from callgate.audit.tiles import WIDTH, TileError, Tree
from fakes.hashes import FakeHashes

LEAVES = [leaf_hash(b"%d" % number) for number in range(2 * WIDTH + 40)]


def test_the_root_is_known_after_every_entry() -> None:
    edge = Frontier()
    for count, leaf in enumerate(LEAVES, 1):
        edge.append(leaf)
        assert edge.size == count
        if count % 7 == 0 or count % WIDTH < 2:
            assert edge.root() == root(LEAVES[:count])


def test_it_begins_empty() -> None:
    assert Frontier().root() == root([])
    assert Frontier().take_tiles() == []


@given(st.lists(st.integers(0, 300), max_size=8))
def test_it_does_not_matter_how_many_are_added_at_once(counts: list[int]) -> None:
    edge, added = Frontier(), 0
    for count in counts:
        edge.extend(LEAVES[added % 200 : added % 200 + count])
        added += len(LEAVES[added % 200 : added % 200 + count])

    assert edge.size == added


def test_full_tiles_come_once_and_growing_ones_each_time_that_they_have_grown() -> None:
    edge = Frontier()
    edge.extend(LEAVES[:255])
    assert edge.take_tiles() == []

    edge.extend(LEAVES[255:300])
    first = edge.take_tiles()
    assert [(tile.level, tile.number, len(tile.hashes) // 32) for tile in first] == [
        (0, 0, 256),
        (1, 0, 1),
    ]
    assert first[0].hashes == b"".join(LEAVES[:256])
    assert first[1].hashes == root(LEAVES[:256])

    edge.extend(LEAVES[300:])
    second = edge.take_tiles()
    assert [(tile.level, tile.number, len(tile.hashes) // 32) for tile in second] == [
        (0, 1, 256),
        (1, 0, 2),
    ]
    assert second[1].hashes == root(LEAVES[:256]) + root(LEAVES[256:512])


@pytest.mark.parametrize("size", [0, 1, 3, 255, 256, 257, 511, 512, len(LEAVES)])
def test_a_restored_edge_goes_on_as_if_it_had_never_been_away(size: int) -> None:
    kept = FakeHashes(LEAVES[:size])
    edge = Frontier.restored(size, kept)
    assert edge.root() == root(LEAVES[:size])

    edge.extend(LEAVES[:300])
    kept.leaves += LEAVES[:300]
    kept.keep(edge)
    assert edge.root() == root(LEAVES[:size] + LEAVES[:300])
    assert Tree(kept, edge.size).root() == edge.root()
    assert kept.tiles == FakeHashes(LEAVES[:size] + LEAVES[:300]).tiles


@pytest.mark.parametrize("size", [WIDTH * WIDTH - 1, WIDTH * WIDTH, WIDTH * WIDTH + WIDTH - 1])
def test_a_third_level_begins_where_the_second_is_full(size: int) -> None:
    leaves = [LEAVES[number % 500] for number in range(size)]
    kept = FakeHashes(leaves)
    edge = Frontier.restored(size, kept)
    edge.extend(LEAVES[:2])
    leaves += LEAVES[:2]

    assert edge.root() == root(leaves)
    assert {level for level, _ in FakeHashes(leaves).tiles} == {0, 1, 2}


def test_a_copy_may_be_thrown_away() -> None:
    edge = Frontier()
    edge.extend(LEAVES[:250])
    attempt = edge.copy()
    attempt.extend(LEAVES[:20])
    assert len(attempt.take_tiles()) == 2

    assert (edge.size, edge.root(), edge.take_tiles()) == (250, root(LEAVES[:250]), [])
    edge.extend(LEAVES[250:256])
    assert edge.root() == root(LEAVES[:256])


def test_it_is_not_restored_of_less_than_it_was() -> None:
    with pytest.raises(TileError, match="has not all of its hashes"):
        Frontier.restored(301, FakeHashes(LEAVES[:300]))
