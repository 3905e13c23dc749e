from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from callgate.audit.log_reader import Kept
from callgate.audit.merkle import check_inclusion, leaf_hash
from callgate.audit.record import Entry
from callgate.audit.tiles import WIDTH, Tree
from callgate.audit.verifying import Trust, verify
from callgate.model import Ran
from callgate.ports import StoreError
from callgate.storage.ledger_reading import StoredLogs, open_log
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import Keys
from fakes.store import an_intent, an_outcome
from fakes.writing import an_appender, write


def a_refusal(call_id: str) -> Entry:
    return an_outcome(call_id, code="not_permitted", ran=Ran.NO)


def a_record(directory: Path, records: int = 3) -> StoreSettings:
    settings = StoreSettings(path=directory / "r.db")
    write(settings, *(a_refusal(f"c{number}") for number in range(records)))
    return settings


def tamper(settings: StoreSettings, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def three(tmp_path: Path) -> Any:
    return a_record(tmp_path)


def failures(settings: StoreSettings) -> list[str]:
    with closing(open_log(settings)) as reader:
        keys = Keys(settings, reader.origin).current
        found = verify(reader, Trust(keys=tuple(key.verifier for key in keys)))
    return [str(failure) for failure in found.failures]


def test_record_of_several_writers_proves_itself(tmp_path: Path) -> None:
    settings = a_record(tmp_path, 2 * WIDTH + 7)
    one, other = an_appender(settings), an_appender(settings)
    one.write([an_intent("open"), an_intent("closed")])
    other.write([an_outcome("closed")])
    one.close()
    other.close()
    write(settings)
    assert failures(settings) == []
    with closing(open_log(settings)) as reader:
        assert [(log, reader.size(log)) for log in reader.logs()] == [
            (0, 4),
            (1, 2 * WIDTH + 10),  # the last start found a call open
            (2, 1),
        ]


def test_every_record_has_its_proof(tmp_path: Path) -> None:
    settings = a_record(tmp_path, WIDTH + 44)
    with closing(open_log(settings)) as reader:
        (newest,) = reader.checkpoints(1, largest=1)
        tree = Tree(reader.hashes(1), newest.size)
        for seq in (0, WIDTH - 1, WIDTH, WIDTH + 43):
            (row,) = reader.records(1, seq, seq + 1)
            leaf = leaf_hash(Kept(*row).body.encode())
            check_inclusion(leaf, seq, newest.size, tree.inclusion(seq), tree.root())


def test_reader_sees_one_moment_whatever_is_written_meanwhile(three: StoreSettings) -> None:
    with closing(open_log(three)) as reader:
        write(three, a_refusal("later"))
        assert (reader.size(1), len(list(reader.records(1)))) == (3, 3)
        assert [newest.size for newest in reader.checkpoints(1)] == [3]
    with closing(open_log(three)) as reader:
        assert reader.size(1) == 4


def test_checkpoints_come_in_order_or_only_the_largest(three: StoreSettings) -> None:
    for number in range(12):
        write(three, a_refusal(f"d{number}"))
    with closing(open_log(three)) as reader:
        assert [kept.size for kept in reader.checkpoints(1)] == list(range(3, 16))
        assert [kept.size for kept in reader.checkpoints(1, largest=2)] == [14, 15]


def test_entries_of_a_call_are_found(three: StoreSettings) -> None:
    write(three, an_intent("c1", at=3.0))
    with closing(open_log(three)) as reader:
        assert [Kept(*row).kind for row in reader.entries("c1")] == ["outcome", "intent"]
        assert reader.entries("c9") == []


@pytest.mark.parametrize(
    ("statement", "column", "found"),
    [
        ("UPDATE records SET body = x'ff00' WHERE call_id = 'c1'", "body", b"\xff\x00"),
        ("UPDATE records SET body = CAST(x'ff' AS TEXT) WHERE call_id = 'c1'", "body", "\udcff"),
        ("UPDATE records SET at = 'noon' WHERE call_id = 'c1'", "at", "noon"),
        ("UPDATE records SET hash = 7 WHERE call_id = 'c1'", "hash", 7),
        ("UPDATE records SET is_delivered = 'maybe' WHERE call_id = 'c1'", "is_delivered", "maybe"),
        ("UPDATE records SET body = NULL WHERE call_id = 'c1'", "body", None),
    ],
)
def test_whatever_a_value_has_become_is_handed_over_as_it_is(
    three: StoreSettings, statement: str, column: str, found: object
) -> None:
    tamper(three, statement)
    with closing(open_log(three)) as reader:
        row = Kept(*list(reader.records(1))[1])
    assert getattr(row, column) == found


def test_logs_are_found_in_whatever_table_something_of_them_is(three: StoreSettings) -> None:
    tamper(three, "INSERT INTO tiles VALUES (7, 0, 0, x'00')")
    tamper(three, "INSERT INTO checkpoints VALUES (9, 1, 0, '')")
    tamper(three, "UPDATE records SET position = -1 WHERE call_id = 'c2'")
    with closing(open_log(three)) as reader:
        assert reader.logs() == [-1, 0, 1, 7, 9]
        assert [Kept(*row).call_id for row in reader.records(-1)] == ["c2"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = replace(body, 'c1', 'cX') WHERE call_id = 'c1'",
        "DELETE FROM records WHERE call_id = 'c1'",
        "DELETE FROM records WHERE call_id = 'c2'",
        "UPDATE records SET tool = 'other' WHERE call_id = 'c1'",
        "UPDATE checkpoints SET note = replace(note, '3', '2')",
    ],
)
def test_what_was_tampered_with_is_found_through_it(three: StoreSettings, statement: str) -> None:
    assert failures(three) == []
    tamper(three, statement)
    assert failures(three) != []


def test_payload_that_is_kept_apart_is_asked_of_where_it_lies(three: StoreSettings) -> None:
    with closing(open_log(three, {"ab": b"{}"}.get)) as reader:
        assert (reader.has_payloads, reader.blob("ab"), reader.blob("cd")) == (True, b"{}", None)
    with closing(open_log(three)) as reader:
        assert (reader.has_payloads, reader.blob("ab")) == (False, None)


def test_record_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no record"):
        open_log(StoreSettings(path=tmp_path / "r.db"))


def test_file_that_is_damaged_is_an_error_when_the_damage_is_met(tmp_path: Path) -> None:
    settings = a_record(tmp_path, 400)
    with settings.path.open("r+b") as file:
        file.seek(40 * 4096)
        file.write(b"\xff" * 40 * 4096)
    with pytest.raises(StoreError, match="cannot be read"), closing(open_log(settings)) as reader:
        assert isinstance(reader, StoredLogs)
        list(reader.records(1))
