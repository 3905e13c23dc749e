"""Whom the index knows and whom it does not; otherwise tests/contracts/test_records.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.storage.index.bits import BLOCK
from callgate.storage.reading import Records
from callgate.storage.reading.people import _latest
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal
from fakes.store import NOW, an_outcome
from fakes.writing import write


def test_principals_are_told_from_the_index_and_from_what_came_since(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    people = [a_principal(f"p{n}") for n in range(3)]
    write(
        settings,
        *(an_outcome(f"c{n}", NOW + n, principal=people[n % 2]) for n in range(BLOCK)),
        an_outcome("new", NOW + BLOCK, principal=people[2]),
        an_outcome("again", NOW + BLOCK + 1, principal=a_principal("p0", "promoted")),
    )
    records = Records(settings)
    expected = [a_principal("p0", "promoted"), people[2], people[1]]
    assert [one.principal for one in records.people(10)] == expected
    assert records.catch_up(1) == BLOCK
    assert [one.principal for one in records.people(10)] == expected
    assert [one.principal for one in records.people(2)] == expected[:2]


def test_who_called_only_in_what_the_index_does_not_have_yet_is_known_too(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    people = [a_principal(f"p{n}") for n in range(4)]
    whole = [people[n // BLOCK] for n in range(3 * BLOCK)]
    write(
        settings,
        *(an_outcome(f"c{n}", NOW + n, principal=one) for n, one in enumerate(whole)),
        an_outcome("new", NOW + 3 * BLOCK, principal=people[3]),
    )
    records = Records(settings)
    for _ in range(4):  # the index is made from the end, a block at a time
        assert [one.principal for one in records.people(10)] == people[::-1]
        records.catch_up(1)
    assert records.catch_up(1) == 0


@pytest.mark.parametrize(
    ("most", "left"),
    [(100, [(50, 60), (10, 40)]), (25, [(50, 60), (25, 40)]), (10, [(50, 60)]), (4, [(56, 60)])],
)
def test_only_so_much_is_looked_at_the_latest_first(most: int, left: list[tuple[int, int]]) -> None:
    assert [*_latest([(50, 60), (10, 40)], most)] == left
