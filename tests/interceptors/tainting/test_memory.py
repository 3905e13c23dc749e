"""What is remembered stays within its bounds, and what has no room is said so."""

from typing import Any

import pytest

from callgate.interceptors.tainting.memory import (
    BYTES_EACH,
    BYTES_PER_RUN,
    MAX_SOURCES,
    MAX_TAILS,
    FullError,
    Memory,
    Run,
)
from fakes.clock import FakeClock


def memory(clock: FakeClock | None = None, **more: Any) -> Memory:
    settings: dict[str, Any] = {
        "most_bytes": 100_000,
        "most_run_bytes": 50_000,
        "idle_seconds": 60,
        "may_forget": False,
        **more,
    }
    return Memory((clock or FakeClock()).ticks, **settings)


def add(kept: Memory, key: str, source: str, numbers: set[int]) -> None:
    before = kept.kept(key, source)
    kept.keep(key, source, before, before.plus(numbers))


def test_it_knows_its_size() -> None:
    kept = memory()
    add(kept, "r", "a", {1, 2, 3})
    add(kept, "r", "a", {3, 4})
    add(kept, "r", "b", {4})
    add(kept, "s", "a", {1})

    assert kept.size_bytes == 2 * BYTES_PER_RUN + 6 * BYTES_EACH
    assert sorted(kept.find("r").sources) == ["a", "b"]  # type: ignore[union-attr]


def test_what_is_idle_is_forgotten_with_its_size() -> None:
    clock = FakeClock()
    kept = memory(clock)
    add(kept, "old", "a", {1})
    clock.advance(40)
    add(kept, "new", "a", {1})
    clock.advance(30)

    assert kept.find("old") is None and kept.find("new") is not None
    assert (len(kept), kept.size_bytes) == (1, BYTES_PER_RUN + BYTES_EACH)


def test_a_run_has_a_bound_and_keeps_what_it_had() -> None:
    kept = memory(may_forget=True)
    add(kept, "r", "a", {1})

    with pytest.raises(FullError, match="this run has returned too much"):
        add(kept, "r", "a", set(range(10, 10_000)))
    assert kept.size_bytes == BYTES_PER_RUN + BYTES_EACH


def test_all_runs_have_a_bound() -> None:
    kept = memory(most_bytes=2 * (BYTES_PER_RUN + BYTES_EACH))
    add(kept, "a", "x", {1})
    add(kept, "b", "x", {1})

    with pytest.raises(FullError, match="is full"):
        add(kept, "c", "x", {1})
    assert kept.find("c") is None and kept.find("a") is not None


def test_where_it_may_forget_the_least_recently_used_goes() -> None:
    kept = memory(most_bytes=2 * (BYTES_PER_RUN + BYTES_EACH), may_forget=True)
    add(kept, "a", "x", {1})
    add(kept, "b", "x", {1})
    kept.find("a")
    add(kept, "c", "x", {1})

    assert [kept.find(key) is not None for key in "abc"] == [True, False, True]


def test_a_run_uses_only_so_many_tools() -> None:
    kept = memory()
    for number in range(MAX_SOURCES):
        add(kept, "r", str(number), {number})

    with pytest.raises(FullError, match="too many tools"):
        add(kept, "r", "one more", {1})


def test_tails_are_few() -> None:
    run = Run(0)
    for number in range(MAX_TAILS + 1):
        run.keep_tail(str(number), b"x")

    assert (run.tail("0"), run.tail("1"), len(run.tails)) == (b"", b"x", MAX_TAILS)


def test_what_came_back_at_once_is_all_remembered() -> None:
    kept = memory()
    before = kept.kept("r", "a")
    first, second = before.plus({1, 2}), before.plus({2, 3})
    kept.keep("r", "a", before, first)
    kept.keep("r", "a", before, second)

    assert kept.kept("r", "a").among({1, 2, 3, 4}) == {1, 2, 3}
    assert kept.size_bytes == BYTES_PER_RUN + 4 * BYTES_EACH


def test_a_memory_like_another_knows_what_came_back_and_keeps_its_own_bounds() -> None:
    old = memory()
    add(old, "r", "a", set(range(100)))

    new = memory(most_bytes=BYTES_PER_RUN + BYTES_EACH * 101, like=old)

    assert new.kept("r", "a").among({1, 200}) == {1}
    add(old, "r", "b", {5})  # a call that was on its way
    assert new.kept("r", "b").among({5}) == {5}
    with pytest.raises(FullError):
        add(new, "r", "c", {1})
