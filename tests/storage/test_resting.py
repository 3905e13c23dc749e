from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from callgate.storage.resting import PROBE_EVERY, TURNS, Resting


def rests(resting: Resting, groups: int, bring: Callable[[int], int]) -> list[int]:
    """How many turns each group took, where the turn so and so brings so much."""
    taken = []
    for _ in range(groups):
        brought = []
        for turn in range(resting.turns()):
            brought.append(bring(turn))
            if not brought[-1]:
                break
        if brought:
            resting.learn(brought)
        taken.append(len(brought))
    return taken


def test_one_caller_alone_waits_one_turn_now_and_then() -> None:
    taken = rests(Resting(), 10 * (PROBE_EVERY + 1), lambda _: 0)
    assert taken == [1, *[0] * PROBE_EVERY] * 10


def test_few_callers_are_not_held_up_for_each_other() -> None:
    taken = rests(Resting(), PROBE_EVERY + 1, lambda turn: 2 if turn == 0 else 0)
    assert taken == [2, *[0] * PROBE_EVERY]


def test_callers_who_all_wait_after_one_turn_wait_no_longer() -> None:
    taken = rests(Resting(), PROBE_EVERY + 1, lambda turn: 7 if turn == 0 else 0)
    assert taken == [2, *[1] * PROBE_EVERY]


def test_calls_that_keep_coming_are_gathered_for_a_whole_rest() -> None:
    assert rests(Resting(), 200, lambda _: 4) == [TURNS] * 200


def test_one_rest_that_brings_little_does_not_end_them() -> None:
    resting = Resting()
    rests(resting, 20, lambda _: 4)
    assert rests(resting, 1, lambda turn: 1) == [TURNS]
    assert rests(resting, 20, lambda _: 4) == [TURNS] * 20


def test_rests_end_soon_after_the_calls() -> None:
    resting = Resting()
    rests(resting, 200, lambda _: 30)
    assert sum(rests(resting, PROBE_EVERY, lambda _: 0)) < 15


def test_calls_that_begin_to_come_thick_are_noticed_by_the_next_probe() -> None:
    resting = Resting()
    rests(resting, 10, lambda _: 0)
    assert rests(resting, 200, lambda _: 4)[-1] == TURNS


@given(st.lists(st.lists(st.integers(0, 200), min_size=TURNS, max_size=TURNS), max_size=300))
def test_whatever_comes_no_rest_is_longer_than_allowed(brought: Sequence[Sequence[int]]) -> None:
    resting = Resting()
    for group in brought:
        turns = resting.turns()
        assert 0 <= turns <= TURNS
        if turns:
            resting.learn(group[:turns])
