from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callgate.audit.erasure import erased, withdrawn
from callgate.audit.keys import SigningKey
from callgate.storage.index import record
from callgate.storage.index.link import Link, link_of
from callgate.storage.reading import Records
from callgate.storage.rows.opening import Source, heads
from callgate.storage.settings import StoreSettings
from fakes.postgres import a_database
from fakes.store import NOW, an_intent, an_outcome
from fakes.writing import write


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreSettings]:
    if request.param == "sqlite":
        yield StoreSettings(path=tmp_path / "r.db")
        return
    with a_database() as url:
        key = SigningKey.generated("callgate.example").text
        yield StoreSettings(url=url, signing_key=key, path=tmp_path / "r.db")


@contextmanager
def reading(settings: StoreSettings) -> Iterator[Link]:
    with Source(settings).reading() as connection:
        link = link_of(connection)
        assert record.ends(link) == heads(connection)
        yield link


def test_rows_are_found_by_call_by_block_and_by_what_they_say(settings: StoreSettings) -> None:
    entries = [an_intent("a", NOW), an_intent("ü", NOW), an_outcome("a", NOW + 1)]
    gone = erased([(1, 0, 0)], "payload", NOW + 2, {})
    back = withdrawn(gone.call_id, [(1, 0, 0)], "payload", NOW + 3)
    write(settings, *entries, gone, back)
    with reading(settings) as link:
        rows = record.block_rows(link, 1, 0)
        assert [row.body for row in rows[:3]] == [entry.body for entry in entries]
        assert [row.payload for row in rows[:3]] == [entry.payload for entry in entries]
        assert (rows[0].run, rows[0].target, rows[0].code) == (None, None, None)
        assert record.intents(link, ["a", "ü", "x"]) == {"a": rows[0], "ü": rows[1]}
        assert record.outcomes(link, ["a", "ü"]) == {"a": rows[2].position}
        assert [*record.ended_of(link, 1, 0, 5)] == [rows[2].position]
        events = [(row.body, takes_back) for row, takes_back in record.erasures(link)]
        assert events == [(gone.body, False), (back.body, True)]


def test_deletions_are_due_until_they_are_taken_in(settings: StoreSettings) -> None:
    write(settings, *(an_outcome(f"c{n}") for n in range(1024)))
    records = Records(settings)
    assert not records.lag().is_to_be_erased
    records.catch_up(1)
    assert (records.lag().behind, records.lag().is_to_be_erased) == (0, False)
    write(settings, erased([(1, 5, 5)], "body", NOW, {}))
    assert records.lag().is_to_be_erased
    records.catch_up(1)
    assert not records.lag().is_to_be_erased
