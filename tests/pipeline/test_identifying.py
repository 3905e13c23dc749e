"""Ids from a stock are as good as those drawn singly."""

from __future__ import annotations

from callgate.pipeline.identifying import LETTERS, STOCK, Letters


def test_no_letters_come_twice_and_none_are_left_out_over_several_stocks() -> None:
    letters = Letters()
    found = [letters.next() for _ in range(3 * STOCK + 1)]
    assert len(set(found)) == len(found)
    assert {len(one) for one in found} == {LETTERS}
    assert all(int(one, 16) >= 0 for one in found)


def test_two_stocks_differ() -> None:
    assert Letters().next() != Letters().next()
