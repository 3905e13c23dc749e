"""Whom the index knows and whom it does not; otherwise tests/contracts/test_records.py."""

from __future__ import annotations

from pathlib import Path

from callgate.storage.index.bits import BLOCK
from callgate.storage.reading import Records
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
