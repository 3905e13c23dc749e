"""The index follows the record: what is new comes in, what was erased goes, wherever it lies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from callgate.audit.erasure import erased
from callgate.audit.keys import SigningKey
from callgate.audit.questions import Condition
from callgate.ports import CallFilter, StoreError
from callgate.storage.databases import database_of
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.opening import Index
from callgate.storage.reading import Records
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


def fill(settings: StoreSettings, blocks: int = 2) -> Records:
    """Two blocks in log 1; a call of which each of its entries is in another block."""
    entries = [an_intent("spans", NOW, arguments={"memo": "needle here"})]
    entries += [
        an_outcome(f"c{n:05}", NOW + n, code="not_permitted") for n in range(blocks * BLOCK - 3)
    ]
    entries += [an_outcome("spans", NOW + 9999), an_intent("open", NOW + 10_000)]
    write(settings, *entries)
    return Records(settings)


def indexed(records: Records) -> int:
    return sum(records.heads().values()) - records.calls(CallFilter(principal="nobody")).behind


def found(records: Records, **chosen: object) -> list[str]:
    return [call["call"] for call in records.all_calls(CallFilter(**chosen))]  # type: ignore[arg-type]


def execute(settings: StoreSettings, statement: str, **values: object) -> None:
    database = database_of(settings)
    with database.open_to_write(may_create=False) as connection, database.transaction(connection):
        connection.execute(text(statement), values)


def test_whole_blocks_are_indexed_the_latest_first_until_nothing_is_left(
    settings: StoreSettings,
) -> None:
    records = fill(settings)
    assert records.behind() == 2 * BLOCK
    assert records.catch_up(1) == BLOCK
    assert (indexed(records), records.behind()) == (BLOCK, BLOCK)
    assert records.catch_up(1 << 20) == BLOCK
    assert records.catch_up(1 << 20) == 0
    assert (indexed(records), records.behind()) == (2 * BLOCK, 0)


def test_call_whose_entries_lie_in_two_blocks_is_found_by_both(settings: StoreSettings) -> None:
    records = fill(settings)
    while records.catch_up(1):  # the block with the outcome first: its intent is looked up
        pass
    assert found(records, text="needle", code="ok") == ["spans"]
    assert found(records, code="ok") == ["spans"]
    assert found(records)[0] == "open"  # in flight, in a block that is indexed
    assert len(found(records)) == 2 * BLOCK - 1


@pytest.mark.parametrize("what", ["payload", "body"])
def test_what_is_to_be_erased_leaves_the_index_even_before_it_leaves_the_record(
    settings: StoreSettings, what: str
) -> None:
    records = fill(settings)
    while records.catch_up(1 << 20):
        pass
    assert found(records, text="needle") == ["spans"]
    write(settings, erased([(1, 0, 0)], what, NOW + 20_000, {}))  # type: ignore[arg-type]
    while records.catch_up(1 << 20):
        pass
    assert records.behind() == 0
    assert _words_within(settings, "needle") == 0
    columns = "payload = NULL" if what == "payload" else "payload = NULL, body = NULL"
    execute(settings, f"UPDATE records SET {columns} WHERE position = :at", at=1 << 40)
    assert found(records, text="needle") == []
    assert found(records, code="ok") == ["spans"]


@pytest.mark.parametrize("body", ["{}", "no JSON", None])
def test_an_event_of_a_deletion_that_cannot_be_read_is_passed_over_once_and_all_made_anew(
    settings: StoreSettings, caplog: pytest.LogCaptureFixture, body: str | None
) -> None:
    fill(settings)
    records = Records(settings, lambda _: None)
    while records.catch_up(1 << 20):
        pass
    write(settings, erased([(1, 0, 0)], "payload", NOW + 20_000, {}))
    at = (1 << 40) + 2 * BLOCK + 1  # after `open` was interrupted
    said = _body(settings, at)
    execute(settings, "UPDATE records SET body = :body WHERE position = :at", body=body, at=at)
    execute(settings, "UPDATE records SET payload = NULL WHERE position = :at", at=1 << 40)
    for _ in range(2):
        while records.catch_up(1 << 20):
            pass
    assert (
        caplog.text.count(f"record 1/{2 * BLOCK + 1} says what was erased, and cannot be read") == 1
    )
    lag = records.lag()
    assert (lag.behind, lag.is_to_be_erased, lag.passed_over) == (0, False, 1)
    assert _words_within(settings, "needle") == 0
    execute(settings, "UPDATE records SET body = :body WHERE position = :at", body=said, at=at)
    while records.catch_up(1 << 20):
        pass
    assert (records.lag().behind, records.lag().passed_over) == (0, 0)


def _body(settings: StoreSettings, at: int) -> str:
    with database_of(settings).open_to_read().connect() as connection:
        query = "SELECT body FROM records WHERE position = :at"
        return str(connection.execute(text(query), {"at": at}).scalar_one())


def _words_within(settings: StoreSettings, word: str) -> int:
    if settings.url is not None:
        database = database_of(settings)
        with database.open_to_read().connect() as connection:
            query = "SELECT count(*) FROM search_words WHERE words @@ to_tsquery('simple', :word)"
            return int(connection.execute(text(query), {"word": word}).scalar_one())
    with closing(sqlite3.connect(settings.beside("-search"))) as connection:
        query = "SELECT count(*) FROM search_words_1_0 WHERE search_words_1_0 MATCH ?"
        return int(connection.execute(query, (word,)).fetchone()[0])


def test_record_in_the_place_of_another_has_an_index_of_its_own(tmp_path: Path) -> None:
    settings, other = StoreSettings(path=tmp_path / "r.db"), StoreSettings(path=tmp_path / "o.db")
    records = fill(settings)
    while records.catch_up(1 << 20):
        pass
    write(other, *(an_outcome(f"o{n:05}", NOW) for n in range(BLOCK)))
    for suffix in ("", "-wal", "-shm"):
        settings.beside(suffix).unlink(missing_ok=True)
    other.path.rename(settings.path)
    again = Records(settings)
    assert len(found(again, code="ok")) == BLOCK
    assert found(again, text="needle") == []
    assert again.catch_up(1 << 20) == BLOCK
    assert len(found(again, code="ok")) == BLOCK
    assert indexed(again) == BLOCK


def test_index_that_is_deleted_or_damaged_costs_time_and_nothing_else(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    records = fill(settings)
    while records.catch_up(1 << 20):
        pass
    expected = found(records, code="ok", text="needle")
    index = settings.beside("-search")
    index.write_bytes(b"nonsense " * 10_000)
    assert found(Records(settings), code="ok", text="needle") == expected
    with pytest.raises(StoreError, match="it may be deleted"):
        Records(settings).catch_up(1)
    index.unlink()
    assert found(Records(settings), code="ok", text="needle") == expected
    assert Records(settings).catch_up(1 << 20) == 2 * BLOCK
    assert index.stat().st_mode & 0o777 == 0o600


def test_block_with_a_record_that_was_tampered_with_is_left_out_and_met_when_looked_at(
    settings: StoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    records = fill(settings)
    execute(
        settings,
        "UPDATE records SET body = :body WHERE position = :at",
        body="{}",
        at=(1 << 40) + 5,
    )
    assert records.catch_up(1 << 20) == BLOCK
    assert "record 1/5 was tampered with" in caplog.text
    assert found(records, code="ok") == ["spans"]  # nothing of that record is asked for
    with pytest.raises(StoreError, match="record 1/5 was tampered with"):
        found(records)


def test_only_one_builds_at_a_time(settings: StoreSettings) -> None:
    records = fill(settings)
    with Index(settings).writing() as held:
        assert held is not None
        assert records.catch_up(1 << 20) == 0
    assert records.catch_up(1 << 20) == 2 * BLOCK


def test_payloads_that_lie_elsewhere_are_fetched_to_be_found(settings: StoreSettings) -> None:
    large = an_outcome("large", NOW, "not_permitted", arguments={"memo": "needle"})
    assert large.payload is not None
    content = large.payload
    entries = (an_outcome(f"c{n:05}", NOW, code="not_permitted") for n in range(BLOCK - 1))
    write(settings, replace(large, payload=None), *entries)
    assert Records(settings).catch_up(1) == 0  # rather not at all than without it
    records = Records(settings, lambda _: content)
    assert records.catch_up(1) == BLOCK
    assert found(records, text="needle") == ["large"]
    condition = Condition.parse("arguments.memo=needle")
    assert found(records, where=(condition,)) == ["large"]
