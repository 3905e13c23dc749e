"""Whatever was tampered with loses nothing: what protects stops erasing, what orders it is void."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from callgate.audit.selecting import Selector
from callgate.ports import StoreError
from callgate.storage.databases import database_of
from callgate.storage.retention.reading import Said, said_in
from callgate.storage.schema import records
from fakes.erasing import Dead, ErasedRecord, an_erased_record

PAYLOADS = {"class": "payloads", "keep": "30d"}
WHOLE = [(True, True), (True, True)]
BARE = [(True, False), (True, False)]


@pytest.fixture
def record(tmp_path: Path) -> Iterator[ErasedRecord]:
    with an_erased_record("sqlite", tmp_path) as made:
        yield made


def _edit(record: ErasedRecord, name: str, body: str | None) -> None:
    edit = update(records).where(records.c.code == name).values(body=body)
    with (
        database_of(record.settings).open_to_write(may_create=False) as connection,
        connection.begin(),
    ):
        connection.execute(edit)


def test_a_hold_that_was_edited_stops_all_erasing(record: ErasedRecord) -> None:
    record.call("c1", 50)
    record.desk.place(Selector(call="c1"), "a case", "bob")
    _edit(record, "hold_placed", '{"covers":{"call":"c2"}}')
    with pytest.raises(StoreError, match="tampered"):
        record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE}


def test_a_hold_whose_body_is_gone_holds_everything(record: ErasedRecord) -> None:
    record.call("c1", 50)
    record.desk.place(Selector(call="c2"), "a case", "bob")
    _edit(record, "hold_placed", None)
    record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE}


def _announced(record: ErasedRecord) -> None:
    """An order that is signed, and not carried out: whoever gave it was killed."""

    def die() -> None:
        raise Dead

    record.after_append.append(die)
    with pytest.raises(Dead):
        record.retain(PAYLOADS)


@pytest.mark.parametrize("body", ['{"what":"body","places":[[1,0,1]]}', "{", None])
def test_an_order_that_cannot_be_read_is_void_and_the_next_ones_are_carried_out(
    record: ErasedRecord, body: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    record.call("c1", 50)
    _announced(record)
    _edit(record, "erased", body)
    record.retain()
    assert record.left() == {"c1": WHOLE}
    assert [one for one in caplog.messages if "is void" in one and "1/2" in one]
    caplog.clear()
    # What it was about is found anew by the rule; other orders are carried out as ever.
    record.call("c2", 50)
    assert record.retain(PAYLOADS) == 4
    assert record.left() == {"c1": BARE, "c2": BARE}
    assert "is void" not in caplog.text


def test_an_order_that_is_damaged_as_soon_as_it_is_given_is_no_success(
    record: ErasedRecord,
) -> None:
    record.call("c1", 50)
    record.after_append.append(lambda: _edit(record, "erased", "{"))
    with pytest.raises(StoreError, match="was not carried out"):
        record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE}
    assert record.retain(PAYLOADS) == 2  # the rule is not taken for settled
    assert record.left() == {"c1": BARE}


def test_what_takes_an_order_back_stops_all_erasing_where_it_was_edited(
    record: ErasedRecord,
) -> None:
    record.call("c1", 50)
    _announced(record)
    hold = record.desk.place(Selector(call="c1"), "a case", "bob")
    record.retain()
    record.desk.release(hold.id, "over", "bob")
    _edit(record, "erasure_withdrawn", "{}")
    record.call("c2", 50)
    with pytest.raises(StoreError, match="tampered"):
        record.retain(PAYLOADS)
    assert record.left() == {"c1": WHOLE, "c2": WHOLE}


def test_a_body_that_cannot_be_read_says_nothing() -> None:
    assert said_in("{") == Said()
    assert said_in('{"principal":null,"format":1,"arguments":{}}').arguments == {}
    assert said_in('{"principal":{"claims_sha256":"x"}}').claims == "x"
