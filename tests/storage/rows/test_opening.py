from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, select

from callgate.ports import StoreError
from callgate.storage.rows.opening import Source, head, heads, log_numbers, span
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome
from fakes.writing import an_appender, write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(path=tmp_path / "r.db")


def test_logs_of_calls_end_where_their_entries_do(settings: StoreSettings) -> None:
    one, other = an_appender(settings), an_appender(settings)
    one.write([an_outcome("a"), an_outcome("b")])
    other.write([an_outcome("c")])
    one.close()
    other.close()
    with Source(settings).reading() as connection:
        assert log_numbers(connection) == [1, 2]  # not that of the logs themselves
        assert heads(connection) == {1: 2, 2: 1}
        assert head(connection, 9) == 0


def test_reader_cannot_write(settings: StoreSettings) -> None:
    write(settings, an_outcome("a"))
    with pytest.raises(StoreError, match="readonly"), Source(settings).reading() as connection:
        connection.execute(delete(records))


def test_what_is_wrong_is_said_each_time_also_after_it_was_right(settings: StoreSettings) -> None:
    source = Source(settings)
    assert source.place == str(settings.path)
    with pytest.raises(StoreError, match="there is no record at"), source.reading():
        pass
    write(settings, an_outcome("a"))
    with source.reading() as connection:
        assert heads(connection) == {1: 1}
    settings.path.unlink()
    with pytest.raises(StoreError, match="there is no record at"), source.reading():
        pass


def test_span_is_of_one_log() -> None:
    assert span(1, 0, 1) == (1 << 40, 1 << 40)
    assert span(2, 5, 8) == ((2 << 40) + 5, (2 << 40) + 7)


@pytest.mark.parametrize("text", ["a\udcff", "\x00", "\ud800\x00"])
def test_what_no_database_holds_is_asked_for_in_vain_and_without_an_error(
    settings: StoreSettings, text: str
) -> None:
    write(settings, an_outcome("a"))
    with Source(settings).reading() as connection:
        asked = select(records.c.call_id).where(records.c.call_id.in_(["a", text]))
        assert connection.execute(asked).scalars().all() == ["a"]
        asked = select(records.c.call_id).where(records.c.call_id == text)
        assert connection.execute(asked).scalars().all() == []
