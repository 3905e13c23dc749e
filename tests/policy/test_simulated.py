"""What came of a simulation stays within bounds, and parts of it add up to the whole."""

from callgate.policy.cases import Ruling
from callgate.policy.simulated import (
    MAX_EXAMPLES,
    MAX_FLIPPED,
    MAX_NAMED,
    OTHERS,
    Cause,
    Example,
    Kind,
    Simulated,
    Tally,
)


def a_kind(number: int) -> Kind:
    return Kind(
        before=Ruling.PERMIT,
        after=Ruling.REFUSE,
        causes=(Cause(what="forbids", policy=f"p{number}"),),
        tool="shop___refund",
    )


def test_what_is_beyond_the_bounds_is_counted_together() -> None:
    tally, found = Tally(), Simulated()
    for number in range(MAX_NAMED + 5):
        tally.add(f"u{number}", "shop___refund", float(number))
    for number in range(MAX_FLIPPED + 5):
        found.flip(a_kind(number)).add("ada", "shop___refund", 0.0)

    assert (len(tally.principals), tally.principals[OTHERS]) == (MAX_NAMED + 1, 5)
    assert len(found.flips) == MAX_FLIPPED + 1
    assert found.flipped == MAX_FLIPPED + 5


def test_parts_add_up_to_the_whole() -> None:
    whole, parts = Simulated(), [Simulated(), Simulated()]
    for number in range(10):
        for found in (whole, parts[number % 2]):
            found.decided += 1
            found.scopes[frozenset({"a"})] += 1
            found.deciders["a"] += 1
            tally = found.flip(a_kind(number % 3))
            tally.add(f"u{number % 4}", "shop___refund", float(number))
            if tally.wants_example:
                tally.examples.append(Example(call=f"c{number}", at=float(number), principal="ada"))
            found.first_at, found.last_at = min(found.first_at, number), max(found.last_at, number)
            found.undecided.setdefault("masked", Tally()).add("ada", "t", float(number))
            found.unchecked["masked"] += 1

    merged = Simulated()
    for part in parts:
        merged.merge(part)

    assert [*merged.uses(["a"])] == [*whole.uses(["a"])]
    assert merged.changes == whole.changes
    assert merged.unknown == whole.unknown == 10
    assert (merged.first_at, merged.last_at) == (0.0, 9.0)
    for kind, tally in whole.flips.items():
        other = merged.flips[kind]
        assert (other.count, other.principals) == (tally.count, tally.principals)
        assert len(other.examples) == MAX_EXAMPLES
    assert merged.unchecked == whole.unchecked
