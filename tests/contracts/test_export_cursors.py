"""What every place of cursors promises, asked of the fake and of both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.audit.questions import ExportCursor
from callgate.exports.export import Cursors
from callgate.ports import StoreError
from callgate.storage.databases import database_of
from callgate.storage.export_cursors import StoredCursors
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.exporting import FakeCursors
from fakes.postgres import a_database

FAR = ExportCursor(positions={1: 7, 2: 9}, chain="a" * 64)


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def cursors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cursors]:
    if request.param == "fake":
        yield FakeCursors()
    elif request.param == "sqlite":
        yield stored(StoreSettings(path=tmp_path / "callgate.db"))
    else:
        with a_database() as url:
            yield stored(StoreSettings(url=url))


def stored(settings: StoreSettings) -> StoredCursors:
    database_of(settings).open_to_write(may_create=True).close()
    return StoredCursors(settings, FakeClock())


def test_a_cursor_is_kept_from_one_holder_to_the_next(cursors: Cursors) -> None:
    with cursors.hold("siem") as held:
        assert held is not None
        assert held.load() is None
        held.save(ExportCursor(positions={1: 3}))
        held.save(FAR)
        assert held.load() == FAR
    with cursors.hold("siem") as held:
        assert held is not None
        assert held.load() == FAR


def test_only_one_has_it_at_a_time_and_names_do_not_meet(cursors: Cursors) -> None:
    with cursors.hold("siem") as mine:
        assert mine is not None
        with cursors.hold("siem") as others:
            assert others is None
        with cursors.hold("lake") as lake:
            assert lake is not None
            lake.save(FAR)
        assert mine.load() is None
    with cursors.hold("siem") as again:
        assert again is not None


def test_a_cursor_that_is_none_is_said(tmp_path: Path) -> None:

    settings = StoreSettings(path=tmp_path / "callgate.db")
    made = stored(settings)
    with made.hold("siem") as held:
        assert held is not None
        held.save(FAR)
    connection = sqlite3.connect(settings.path)
    with connection:
        connection.execute("UPDATE cursors SET positions = '[]'")
    connection.close()
    with made.hold("siem") as held, pytest.raises(StoreError, match="export-siem"):
        assert held is not None
        held.load()


def test_without_a_record_there_are_no_cursors(tmp_path: Path) -> None:
    made = StoredCursors(StoreSettings(path=tmp_path / "gone.db"), FakeClock())
    with pytest.raises(StoreError, match="gone"), made.hold("siem"):
        pass
