from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from callgate.exports.parquet import COLUMNS, write
from fakes.exported import HOSTILE, REFUSED, a_recorded_call, every_ending


def test_duckdb_reads_every_column_of_every_kind_of_call(tmp_path: Path) -> None:
    calls = [{**call, "call": name} for name, call in every_ending().items()]
    (file,) = write(calls, tmp_path)
    assert file.parent.name == "date=2026-11-29"
    with duckdb.connect() as connection:
        found = connection.read_parquet(str(file))
        assert found.columns[: len(COLUMNS)] == [name for name, _, _ in COLUMNS]
        rows = {row[0]: dict(zip(found.columns, row, strict=True)) for row in found.fetchall()}
    assert {name: row["ending"] for name, row in rows.items()} == {
        name: name.partition(",")[0] for name in every_ending()
    }
    whole = rows["completed"]
    assert whole["groups"] == ["support", "leads"]
    assert whole["received_at"].isoformat().startswith("2026-11-29T21:18:43.633304")
    assert whole["permitted"] is True
    assert rows["completed, erased"]["erased"] is True
    assert rows["completed, erased"]["arguments"] is None


def test_hostile_texts_are_values_and_nothing_else(tmp_path: Path) -> None:
    write([a_recorded_call(reason=HOSTILE + "\ud800", number=1)], tmp_path)
    with duckdb.connect() as connection:
        query = f"SELECT reason, arguments->>'$.reason' FROM '{tmp_path}/*/*.parquet'"
        (row,) = connection.execute(query).fetchall()
    assert row == (HOSTILE + "?", HOSTILE)


def test_days_are_apart_and_the_same_calls_again_replace_their_files(tmp_path: Path) -> None:
    calls = [
        a_recorded_call(number=1),
        a_recorded_call(number=2, **REFUSED),
        a_recorded_call(number=3, received_at="2026-11-30T00:00:00.000000Z"),
    ]
    first = write(calls, tmp_path)
    again = write(calls, tmp_path)
    assert first == again
    assert len(first) == 2
    with duckdb.connect() as connection:
        counted = connection.execute(
            f"SELECT date, count(*) FROM read_parquet('{tmp_path}/*/*.parquet', "
            "hive_partitioning=true) GROUP BY date ORDER BY date"
        ).fetchall()
    assert [(str(day), count) for day, count in counted] == [("2026-11-29", 2), ("2026-11-30", 1)]


def test_calls_of_another_record_at_the_same_places_are_kept_beside(tmp_path: Path) -> None:
    here, there = (
        [a_recorded_call(number=number, call=f"{record}{number}") for number in range(2)]
        for record in "ab"
    )
    (first,) = write(here[:1], tmp_path)
    assert write(here, tmp_path) == [first]  # the same, and one more
    (other,) = write(there, tmp_path)
    assert write(there, tmp_path) == [other]
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT call FROM '{tmp_path}/*/*.parquet'").fetchall()
    assert sorted(call for (call,) in found) == ["a0", "a1", "b0", "b1"]


def test_what_is_no_parquet_is_not_written_over(tmp_path: Path) -> None:
    (file,) = write([a_recorded_call()], tmp_path)
    file.write_text("something else")
    assert write([a_recorded_call()], tmp_path) != [file]
    assert file.read_text() == "something else"


def test_a_file_that_could_not_be_written_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "date=2026-11-29").write_text("in the way")
    with pytest.raises(OSError, match="date="):
        write([a_recorded_call()], tmp_path)
    assert list(tmp_path.rglob("*.parquet")) == []
