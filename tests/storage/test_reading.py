from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.audit.chain import verify
from callgate.audit.record import Entry
from callgate.model import Ran
from callgate.ports import CallFilter, StoreError
from callgate.storage.appending import Appender
from callgate.storage.reading import SqliteRecords, open_for_reading
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal, a_tool
from fakes.clock import FakeClock
from fakes.store import NOW, an_intent, an_outcome

COLUMNS = [column.name for column in records.c]
NOBODY = a_principal("bob", agent=None)


def a_record(path: Path, *entries: Entry) -> SqliteRecords:
    appender = Appender(StoreSettings(path=path), FakeClock())
    appender.open()
    appender.write(entries)
    appender.close()
    return SqliteRecords(path)


def a_day(path: Path) -> SqliteRecords:
    """Four calls: let through, refused, in flight, withheld after it ran; an hour apart."""
    hour = 3600
    ls = a_tool("files", "list")
    return a_record(
        path,
        an_intent("c1", NOW),
        an_outcome("c1", NOW + 1),
        an_outcome("c2", NOW + hour, "not_permitted", principal=NOBODY, ran=Ran.NO, reply=None),
        an_intent("c3", NOW + 2 * hour, tool=ls),
        an_intent("c4", NOW + 3 * hour, tool=ls),
        an_outcome("c4", NOW + 3 * hour, "result_withheld", tool=ls, reply=None),
    )


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["c4", "c3", "c2", "c1"]),
        ({"limit": 2}, ["c4", "c3"]),
        ({"principal": "bob"}, ["c2"]),
        ({"agent": "helper"}, ["c4", "c3", "c1"]),
        ({"target": "files"}, ["c4", "c3"]),
        ({"tool": "refund"}, ["c2", "c1"]),
        ({"tool": "files___list"}, ["c4", "c3"]),
        ({"tool": "shop___list"}, []),
        ({"code": "ok"}, ["c1"]),
        ({"code": "not_permitted"}, ["c2"]),
        ({"is_refused": True}, ["c4", "c2"]),
        ({"since": NOW + 3600}, ["c4", "c3", "c2"]),
        ({"until": NOW + 3600}, ["c1"]),
        ({"since": NOW + 3600, "until": NOW + 3 * 3600, "principal": "ada"}, ["c3"]),
    ],
)
def test_calls_are_chosen_by_the_filters_newest_first(
    tmp_path: Path, chosen: dict[str, Any], expected: list[str]
) -> None:
    found = a_day(tmp_path / "r.db").calls(CallFilter(**chosen))
    assert [call["call"] for call in found] == expected


def test_call_is_told_by_its_intent_and_its_outcome_together(tmp_path: Path) -> None:
    (call,) = a_day(tmp_path / "r.db").calls(CallFilter(code="ok"))
    assert call["arguments"] == {"customer": "c1", "amount": 5}
    assert (call["code"], call["ran"], call["delivered"]) == ("ok", "yes", True)
    assert [(place["kind"], place["seq"]) for place in call["records"]] == [
        ("intent", 1),
        ("outcome", 2),
    ]


def test_call_without_an_outcome_is_in_flight(tmp_path: Path) -> None:
    call = a_day(tmp_path / "r.db").calls(CallFilter())[1]
    assert (call["call"], call["code"], call["ran"], call["delivered"]) == ("c3", None, None, None)


def test_short_id_is_the_shortest_that_no_other_call_has(tmp_path: Path) -> None:
    ids = ["c0123456789", "c0123456a00", "c0123456a01", "d"]
    found = a_record(tmp_path / "r.db", *map(an_outcome, ids))
    short = {call["call"]: call["short"] for call in found.calls(CallFilter())}
    assert list(short.values()) == ["d", "c0123456a01", "c0123456a00", "c01234567"]
    for call_id, beginning in short.items():
        assert found.find(beginning) == [call_id]


def test_calls_are_found_by_their_beginning(tmp_path: Path) -> None:
    ids = ["ca1", "ca2", "cb1", "c%"]
    found = a_record(tmp_path / "r.db", *map(an_outcome, ids), an_intent("ca1"))
    assert found.find("ca") == ["ca1", "ca2"]
    assert found.find("c", limit=3) == ["c%", "ca1", "ca2"]
    assert found.find("c%") == ["c%"]
    assert found.find("x") == []


def test_entries_of_a_call_have_their_places_in_the_chain(tmp_path: Path) -> None:
    found = a_day(tmp_path / "r.db")
    first, second = found.entries("c1")
    assert (first["kind"], first["record"]["seq"]) == ("intent", 1)
    assert second["record"]["previous_hash"] == first["record"]["hash"]
    assert found.entries("c9") == []


def test_principals_are_told_as_they_were_last_seen_the_latest_first(tmp_path: Path) -> None:
    ada = a_principal("ada", "agents", kind="api_key", tenant="acme", agent="helper")
    promoted = a_principal("ada", "agents", "finance", tenant="acme", agent="helper")
    alone = a_principal("ada", agent=None)
    found = a_record(
        tmp_path / "r.sqlite",
        an_intent("c1", NOW, principal=ada),
        an_outcome("c1", NOW + 1, principal=ada),
        an_outcome("c2", NOW + 2, principal=promoted),
        an_outcome("c3", NOW + 3, principal=alone),
    )

    assert found.principals(10) == [alone, promoted]
    assert found.principals(1) == [alone]


def test_record_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = Appender(StoreSettings(path=path), FakeClock())
    appender.open()
    appender.write([an_outcome("c1")])
    walk = SqliteRecords(path).records()
    assert next(walk).entry.call_id == "c1"
    appender.write([an_outcome("c2")])
    assert list(walk) == []  # one state, from beginning to end
    assert verify(SqliteRecords(path).records()).records == 2
    appender.close()


def test_queries_of_others_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    a_day(path)
    with pytest.raises(StoreError, match="readonly"), open_for_reading(path) as connection:
        connection.execute(records.delete())


@pytest.mark.parametrize("body", ["'nothing'", "NULLIF(1, 1)", "replace(body, 'ada', 'eve')"])
def test_tampered_body_is_an_error_that_names_its_record(
    tmp_path: Path, sound: bytes, body: str
) -> None:
    found = tampered(
        tmp_path / "r.db", sound, (f"UPDATE records SET body = {body} WHERE seq = 2", ())
    )
    with pytest.raises(StoreError, match="record 2 was tampered with"):
        found.calls(CallFilter())


def test_damaged_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    a_record(path, *(an_outcome(f"c{number}") for number in range(100)))
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        verify(SqliteRecords(path).records())


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["ok", "ada", "shop", "0" * 64, "intent", "yes"]),
    st.binary(),
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "r.db"
    a_day(path)
    return path.read_bytes()


def tampered(path: Path, content: bytes, *statements: tuple[str, tuple[Any, ...]]) -> SqliteRecords:
    path.write_bytes(content)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA writable_schema = ON")
        # Whoever can edit the file is not held up by a constraint.
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')")
        connection.execute("PRAGMA writable_schema = RESET")
        for statement in statements:
            connection.execute(*statement)
    return SqliteRecords(path)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seq=st.integers(1, 6), column=st.sampled_from(COLUMNS), value=VALUES)
def test_any_edit_of_any_column_of_any_record_breaks_the_chain(
    sound: bytes, tmp_path: Path, seq: int, column: str, value: Any
) -> None:
    path = tmp_path / "r.db"
    path.unlink(missing_ok=True)
    tampered(path, sound)
    before = _rows(path)
    if column == "seq" and (not isinstance(value, int) or 1 <= value <= 6):
        return  # SQLite itself does not let two rows have one number, or a number be a text
    found = tampered(path, sound, (f"UPDATE records SET {column} = ? WHERE seq = ?", (value, seq)))
    if _rows(path) == before:
        assert verify(found.records()).failure is None
        return
    failure = verify(found.records()).failure
    assert failure is not None
    assert column == "seq" or failure.seq == seq


@pytest.mark.parametrize("seq", [1, 2, 3, 4, 5])
def test_any_record_that_is_removed_shows(sound: bytes, tmp_path: Path, seq: int) -> None:
    found = tampered(tmp_path / "r.db", sound, ("DELETE FROM records WHERE seq = ?", (seq,)))
    failure = verify(found.records()).failure
    assert failure is not None
    assert failure.reason == f"record {seq} is missing before it"


@pytest.mark.parametrize("others", [(1, 2), (1, 6), (3, 5)])
def test_records_that_change_places_show(
    sound: bytes, tmp_path: Path, others: tuple[int, int]
) -> None:
    one, other = others
    move = "UPDATE records SET seq = ? WHERE seq = ?"
    moves = [(move, (100, one)), (move, (one, other)), (move, (other, 100))]
    failure = verify(tampered(tmp_path / "r.db", sound, *moves).records()).failure
    assert failure is not None
    assert failure.seq == one


def test_record_that_is_put_in_front_shows(sound: bytes, tmp_path: Path) -> None:
    move = ("UPDATE records SET seq = 0 WHERE seq = 6", ())
    failure = verify(tampered(tmp_path / "r.db", sound, move).records()).failure
    assert failure is not None
    assert failure.reason == "a record was inserted before record 1"


def _rows(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        types = ", ".join(f"typeof({column})" for column in COLUMNS if column != "body")
        return connection.execute(f"SELECT *, {types} FROM records ORDER BY seq").fetchall()
