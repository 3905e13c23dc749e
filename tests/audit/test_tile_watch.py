import pytest

from callgate.audit.frontier import Frontier
from callgate.audit.merkle import leaf_hash
from callgate.audit.tile_watch import MOST, OddTile, TileWatch
from callgate.audit.tiles import Tile

LEAVES = [leaf_hash(b"%d" % number) for number in range(3 * 256 + 10)]


def grown() -> list[Tile]:
    edge, tiles = Frontier(), {}
    for leaf in LEAVES:
        edge.append(leaf)
        tiles.update({(tile.level, tile.number): tile for tile in edge.take_tiles()})
    return [tiles[key] for key in sorted(tiles)]


def found(kept: list[Tile], *, is_whole: bool = True) -> tuple[OddTile, ...]:
    watch, edge = TileWatch(kept), Frontier()
    for first in range(0, len(LEAVES), 256):
        edge.extend(LEAVES[first : first + 256])
        watch.take(edge.take_tiles())
    return watch.found(is_whole=is_whole)


def test_tiles_that_the_records_give_are_not_odd() -> None:
    assert found(grown()) == ()


@pytest.mark.parametrize("at", [0, 17, 255])
def test_the_first_record_with_another_hash_is_named(at: int) -> None:
    kept = grown()
    hashes = kept[1].hashes
    kept[1] = Tile(level=0, number=1, hashes=hashes[: at * 32] + bytes(32) + hashes[at * 32 + 32 :])

    (odd,) = found(kept)
    assert (odd.level, odd.number, odd.seq, odd.stood_at) == (0, 1, 256 + at, None)


def test_where_the_hash_stood_is_said() -> None:
    kept = grown()
    leaves = LEAVES[256:512]
    leaves[3], leaves[90] = leaves[90], leaves[3]
    kept[1] = Tile(level=0, number=1, hashes=b"".join(leaves))

    (odd,) = found(kept)
    assert (odd.seq, odd.stood_at) == (256 + 3, 256 + 90)


def test_tiles_that_are_missing_or_too_many_are_odd() -> None:
    kept = grown()
    assert [(odd.level, odd.number) for odd in found(kept[1:])] == [(0, 0)]
    assert [(odd.level, odd.number) for odd in found(kept[:-1])] == [(1, 0)]

    more = [Tile(level=0, number=-1, hashes=b""), *kept, Tile(level=5, number=0, hashes=b"")]
    assert [(odd.level, odd.number) for odd in found(more)] == [(0, -1), (5, 0)]


def test_tiles_behind_a_fault_are_not_looked_at() -> None:
    more = [*grown()[:3], Tile(level=0, number=9, hashes=b"")]

    assert found(more, is_whole=False) == ()
    assert len(found(more)) == 2


def test_a_tile_of_another_length_and_one_that_is_no_tile_are_odd() -> None:
    for hashes in (b"", bytes(31), bytes(8192 + 32), None, "text"):
        kept = grown()
        kept[0] = Tile(level=0, number=0, hashes=hashes)  # type: ignore[arg-type]  # as a tampered store would
        (odd,) = found(kept)
        assert odd.reason == "it has not the hashes of 256 records"


def test_not_all_of_a_million_odd_tiles_are_told() -> None:
    kept = [Tile(level=2, number=number, hashes=b"") for number in range(1000)]

    assert len(TileWatch(kept).found(is_whole=True)) == MOST
