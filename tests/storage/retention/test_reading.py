"""Whatever was tampered with stops erasing: fail closed, so that nothing is lost."""

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


def test_an_order_that_was_edited_is_not_carried_out(record: ErasedRecord) -> None:
    record.call("c1", 50)

    def die() -> None:
        raise Dead

    record.after_append.append(die)
    with pytest.raises(Dead):
        record.retain(PAYLOADS)
    _edit(record, "erased", '{"what":"body","places":[[1,0,1]]}')
    with pytest.raises(StoreError, match="tampered"):
        record.retain()
    assert record.left() == {"c1": WHOLE}


def test_a_body_that_cannot_be_read_says_nothing() -> None:
    assert said_in("{") == Said()
    assert said_in('{"principal":null,"format":1,"arguments":{}}').arguments == {}
    assert said_in('{"principal":{"claims_sha256":"x"}}').claims == "x"
