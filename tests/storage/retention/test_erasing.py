"""What is erased is gone, what is held stays, and the record can be verified at every step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from callgate.audit.event import event
from callgate.audit.explain import whole
from callgate.audit.questions import CallFilter
from callgate.audit.selecting import Selector
from callgate.ports import StoreError
from callgate.storage import postgres, sqlite
from callgate.storage.databases import database_of
from callgate.storage.retention import erasing
from callgate.storage.retention.erasing import BusyError, Eraser
from callgate.storage.schema import records
from fakes.erasing import DAY, Dead, ErasedRecord, an_erased_record
from fakes.small_entries import an_event, an_intent, an_outcome

PAYLOADS = {"class": "payloads", "keep": "30d"}
CALLS = {"class": "calls", "keep": "400d"}
WHOLE = [(True, True), (True, True)]
BARE = [(True, False), (True, False)]
GONE = [(False, False), (False, False)]


@pytest.fixture(autouse=True)
def _no_writer_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "GRACE_SECONDS", -10.0)  # with `blobs.timeout_seconds`: none
    monkeypatch.setattr(erasing, "SETTLE_SECONDS", 0.0)


@pytest.fixture(params=["sqlite", "postgres"])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ErasedRecord]:
    with an_erased_record(request.param, tmp_path) as made:
        yield made


def test_each_class_goes_after_its_time_and_the_record_still_holds(record: ErasedRecord) -> None:
    record.call("c1", 500)
    record.call("c2", 50)
    record.call("c3", 5)
    assert record.retain(PAYLOADS, CALLS) == 6  # c1 loses its payloads first, then the rest
    assert record.left() == {"c1": GONE, "c2": BARE, "c3": WHOLE}
    assert record.failures() == []


def test_columns_with_personal_data_go_with_the_body(record: ErasedRecord) -> None:
    record.call("c1", 500)
    record.retain(CALLS)
    for row in record.columns("c1"):
        assert (row.run, row.principal, row.agent, row.target, row.tool) == (None,) * 5
        assert len(row.hash) == 32
        assert row.at < record.clock.now() - 499 * DAY


def test_of_several_rules_the_first_that_fits_decides(record: ErasedRecord) -> None:
    record.call("c1", 20, target="hr-eu")
    record.call("c2", 20)
    rules = [{"class": "payloads", "keep": "10d", "target": "hr*"}, PAYLOADS]
    record.retain(*rules)
    assert record.left() == {"c1": BARE, "c2": WHOLE}
    record.clock.advance(15 * DAY)
    record.retain(*rules)
    assert record.left() == {"c1": BARE, "c2": BARE}
    longer = [{"class": "payloads", "keep": "9y", "tool": "refund"}, PAYLOADS]
    record.call("c3", 50)
    record.retain(*longer)
    assert record.left()["c3"] == WHOLE


def test_nothing_is_erased_a_second_time(record: ErasedRecord) -> None:
    record.call("c1", 50, large=True)
    assert record.retain(PAYLOADS) == 2
    assert record.retain(PAYLOADS) == 0
    assert record.retain({"class": "payloads", "keep": "20d"}) == 0
    assert len(record.appended) == 1


def test_what_is_erased_later_because_it_came_later_is_found(record: ErasedRecord) -> None:
    for number in range(5):
        record.call(f"c{number}", 40 - 10 * number)
        record.retain(PAYLOADS)
    record.clock.advance(15 * DAY)
    record.retain(PAYLOADS)
    assert [call for call, left in record.left().items() if left == BARE] == ["c0", "c1", "c2"]


def test_a_call_that_has_not_ended_keeps_what_its_end_needs(record: ErasedRecord) -> None:
    record.write(an_intent("c1", record.clock.now() - 500 * DAY))
    record.retain(CALLS)
    assert record.left() == {"c1": [(True, True)]}
    record.retain(PAYLOADS)
    assert record.left() == {"c1": [(True, False)]}


def test_events_go_but_not_those_that_proofs_and_policies_need(record: ErasedRecord) -> None:
    at = record.clock.now() - 50 * DAY
    record.write(an_event("gateway_started", at), an_event("tool_defined", at))
    record.retain({"class": "events", "keep": "30d"})
    assert [one["event"] for one in record.records().events(["tool_defined"])] == ["tool_defined"]
    started = list(record.records().events(["gateway_started"]))
    assert all(one["erased"] for one in started)
    assert record.failures() == []


def test_arguments_within_an_old_body_go_with_the_body(record: ErasedRecord) -> None:
    at = record.clock.now() - 50 * DAY
    record.write(an_intent("c1", at, payload=False, format=1, arguments={"a": "marker"}))
    record.retain(PAYLOADS)
    assert record.left() == {"c1": [(False, False)]}
    assert record.failures() == []


def test_what_is_held_stays_whatever_the_rules_say_until_it_is_released(
    record: ErasedRecord,
) -> None:
    record.call("c1", 500)
    record.call("c2", 500, principal={"id": "eve", "kind": "jwt"})
    hold = record.desk.place(Selector(principal="ada"), "a case", "operator")
    record.retain(PAYLOADS, CALLS)
    assert record.left() == {"c1": WHOLE, "c2": GONE}
    tally = record.desk.erase(Selector(), "calls", "asked", "operator")
    assert (tally.entries, tally.held) == (0, 1)
    record.desk.release(hold.id, "over", "operator")
    record.retain(PAYLOADS, CALLS)
    assert record.left() == {"c1": GONE, "c2": GONE}
    assert record.failures() == []


def test_a_hold_that_comes_after_the_announcement_still_holds(record: ErasedRecord) -> None:
    record.call("c1", 50)
    record.call("c2", 50, principal={"id": "eve", "kind": "jwt"})
    record.after_append.append(
        lambda: record.desk.place(Selector(principal="ada"), "a case", "operator")
    )
    record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE, "c2": BARE}
    assert [one.code for one in record.appended] == ["erased", "hold_placed", "erasure_withdrawn"]
    assert record.failures() == []


def test_what_was_taken_back_and_is_gone_all_the_same_fails_verification(
    record: ErasedRecord,
) -> None:
    test_a_hold_that_comes_after_the_announcement_still_holds(record)
    placed = record.columns("c1")[0]
    edit = update(records).where(records.c.position == placed.position).values(payload=None)
    with (
        database_of(record.settings).open_to_write(may_create=False) as connection,
        connection.begin(),
    ):
        connection.execute(edit)
    assert any("no event that is signed says so" in one for one in record.failures())


def test_killed_before_the_event_nothing_has_happened(record: ErasedRecord) -> None:
    record.call("c1", 50)
    record.dies_in = 0
    with pytest.raises(Dead):
        record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE}
    assert record.failures() == []


def test_killed_after_the_event_the_next_one_finishes_without_another(
    record: ErasedRecord,
) -> None:
    record.call("c1", 50)

    def die() -> None:
        raise Dead

    record.after_append.append(die)
    with pytest.raises(Dead):
        record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE}
    assert record.failures() == []
    record.retain()  # no rule is needed for that
    assert record.left() == {"c1": BARE}
    assert len(record.appended) == 1
    assert record.failures() == []


def test_killed_between_two_transactions_the_next_one_finishes(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "BATCH", 3)
    for number in range(6):
        record.call(f"c{number}", 50)
    eraser = record.eraser()
    turns = iter([None, None, None, Dead()])
    real = eraser._rest

    def rest() -> None:
        real()
        if (error := next(turns, None)) is not None:
            raise error

    monkeypatch.setattr(eraser, "_rest", rest)
    with pytest.raises(Dead), eraser.at_work():
        eraser.erase(Selector(), "calls", {})
    assert 0 < sum(left == GONE for left in record.left().values()) < 6
    assert record.failures() == []
    record.retain()
    assert set(map(tuple, record.left().values())) == {tuple(GONE)}
    assert record.failures() == []


def test_what_is_not_signed_is_not_done(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "COVER_SECONDS", -2.0)
    record.call("c1", 50)
    monkeypatch.setattr(record, "sign", lambda: None)
    with pytest.raises(StoreError, match="not signed"):
        record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE}


def test_only_one_process_erases(record: ErasedRecord) -> None:
    with record.eraser().at_work(), pytest.raises(BusyError):
        record.retain(PAYLOADS)
    record.retain(PAYLOADS)


def test_a_search_finds_nothing_of_what_was_erased_and_has_no_trace_of_it(
    record: ErasedRecord, tmp_path: Path
) -> None:
    for number in range(1100):
        record.appender.write([an_intent(f"c{number}", record.clock.now() - 50 * DAY)])
    record.call("c9999", 50, principal={"id": "zorro", "kind": "jwt"})
    reader = record.records()
    while reader.catch_up(10_000):
        pass
    assert len(reader.calls(CallFilter(text="c9999")).calls) == 1
    record.desk.erase(Selector(principal="zorro"), "calls", "asked", "operator")
    while reader.catch_up(10_000):
        pass
    assert not reader.calls(CallFilter(text="zorro")).calls
    assert not reader.calls(CallFilter(principal="zorro")).calls
    if record.settings.url is None:
        for file in tmp_path.glob("r.db*"):
            assert b'"id":"zorro"' not in file.read_bytes(), file


def test_an_erased_call_is_told_as_one(record: ErasedRecord) -> None:
    record.call("c1", 500)
    record.retain(CALLS)
    call = whole(record.records().entries("c1"))
    assert call["erased"] is True


def test_what_a_principals_proof_said_goes_with_the_last_call(record: ErasedRecord) -> None:
    digest = "ab" * 32
    who = {"id": "eve", "kind": "jwt", "claims_sha256": digest}
    claims = {"claims": {"mail": "eve@example.com"}}
    name, now = f"principal:{digest}", record.clock.now()
    record.write(
        event("principal_described", now, {"sha256": digest}, identifier=name, payload=claims)
    )
    record.call("c1", 1, principal=who)
    record.call("c2", 500, principal=who)
    record.retain(CALLS)
    assert record.records().defined(f"principal:{digest}")
    record.desk.erase(Selector(principal="eve"), "calls", "asked", "operator")
    assert (record.records().defined(f"principal:{digest}") or {}).get("sha256") is None
    assert record.failures() == []


def test_a_principal_whose_description_goes_is_described_anew_from_before_on(
    record: ErasedRecord,
) -> None:
    digest = "cd" * 32
    who = {"id": "eve", "kind": "jwt", "claims_sha256": digest}
    claims = {"claims": {"mail": "eve@example.com"}}
    name = f"principal:{digest}"

    def describe() -> None:
        now, said = record.clock.now(), {"sha256": digest}
        record.write(event("principal_described", now, said, identifier=name, payload=claims))

    def call_on() -> None:  # as if a call came right after: it refers to what it has recorded
        describe()
        record.call("c2", principal=who)

    describe()
    record.call("c1", 1, principal=who)
    eraser = Eraser(record.settings, record.clock, record.append, forget=call_on)
    with eraser.at_work():
        eraser.erase(Selector(call="c1"), "calls", {})
    assert (record.records().defined(name) or {})["claims"] == claims["claims"]
    assert record.failures() == []


def test_erased_text_is_gone_from_the_files_of_sqlite(tmp_path: Path) -> None:
    with an_erased_record("sqlite", tmp_path) as record:
        for number in range(300):
            said: dict[str, Any] = {"note": f"MARKER{number}-" + "x" * (number * 37 % 5_000)}
            at = record.clock.now() - 500 * DAY
            record.appender.write([an_intent(f"c{number}", at, **said)])
        record.call("c1000", 500, note="MARKER-last", large=True)
        record.sign()
        for number in range(300):
            at = record.clock.now() - 500 * DAY
            record.appender.write([an_outcome(f"c{number}", at, note=f"MARKER{number}")])
        record.sign()
        record.retain(CALLS)
        for file in tmp_path.rglob("*"):
            if file.is_file():
                assert b"MARKER" not in file.read_bytes(), file
        assert record.failures() == []


def test_while_somebody_reads_the_log_file_has_what_was_erased_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "TRUNCATE_MILLISECONDS", 1)
    with an_erased_record("sqlite", tmp_path) as record:
        record.call("c1", 500)
        with database_of(record.settings).open_to_read().connect() as reader:
            reader.exec_driver_sql("BEGIN")
            reader.exec_driver_sql("SELECT count(*) FROM records").all()
            record.retain(CALLS)
        assert "until that ends, its -wal has what was erased" in caplog.text
        assert record.left() == {"c1": GONE}


def test_a_table_too_large_to_tidy_in_time_is_left_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_erased_record("postgres", tmp_path) as record:
        database = database_of(record.settings)
        with database.open_to_write(may_create=False) as connection:
            monkeypatch.setattr(postgres, "VACUUM_STATEMENT", "SELECT pg_sleep(60)")
            monkeypatch.setattr(postgres, "VACUUM_SECONDS", 1.0)
            assert database.after_erasing(connection) is None
            limit = connection.exec_driver_sql("SHOW statement_timeout").scalar()
            assert limit == "10s"
