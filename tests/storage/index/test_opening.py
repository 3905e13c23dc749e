"""That an index is made, used and thrown away as it should: tests/storage/index/test_building.py."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import insert, select

from callgate.storage.index.opening import Index, file_of, insert_many, one_change
from callgate.storage.index.schema import blocks, facts, postings
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome
from fakes.writing import write


def test_index_of_another_form_is_thrown_away_and_begun_anew(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, an_outcome("c1"))
    index = Index(settings)
    with index.writing() as connection:
        assert connection is not None
        with one_change(connection):
            insert_many(connection, postings, [(1, 0, 5, b"\x00\x00")])
            index.words.add(connection, 1, 0, [(1 << 40, "wire")])
            connection.execute(facts.update().values(value="0"))
    with index.writing() as connection:
        assert connection is not None
        assert connection.execute(select(postings)).all() == []
        names = connection.exec_driver_sql("SELECT name FROM sqlite_schema").scalars().all()
        assert not any(name.startswith("search_words") for name in names)


def test_change_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    row = {"log": 1, "number": 0, "last_hash": b"", "calls": b"", "has_words": 1}
    with Index(settings).writing() as connection:
        assert connection is not None
        try:
            with one_change(connection):
                connection.execute(insert(blocks).values(row))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert connection.execute(select(blocks)).all() == []


def test_file_lies_beside_the_record(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    assert file_of(settings) == tmp_path / "r.db-search"
