from __future__ import annotations

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from callgate.audit.merkle import leaf_hash
from callgate.audit.record import Entry
from callgate.ports import StoreError
from callgate.storage.rows.telling import told
from fakes.entries import FakeRow
from fakes.store import an_intent, an_outcome

INTENT = an_intent("c1", arguments={"customer": "ü", "amount": 5})
PLACE = (3 << 40) + 7


def row(entry: Entry = INTENT, **more: Any) -> Any:
    return FakeRow(entry, PLACE, **more)


def test_entry_is_its_body_with_its_payload_and_its_place() -> None:
    entry = told(row(), None)
    assert entry["arguments"] == {"customer": "ü", "amount": 5}
    assert entry["record"] == {"log": 3, "seq": 7, "hash": leaf_hash(INTENT.body).hex()}
    assert "payload" not in entry and "erased" not in entry


def test_bytes_in_place_of_the_same_text_are_what_was_written() -> None:
    assert INTENT.payload is not None
    assert told(row(body=INTENT.body, payload=INTENT.payload), None) == told(row(), None)


def test_payload_that_lies_elsewhere_is_fetched_or_left_out() -> None:
    assert INTENT.payload is not None
    blobs = {hashlib.sha256(INTENT.payload).hexdigest(): INTENT.payload}
    fetched = told(row(payload=None), blobs.get)
    assert fetched["arguments"] == {"customer": "ü", "amount": 5}
    omitted = told(row(payload=None), None)
    assert omitted["payload_omitted"] == len(INTENT.payload)
    assert "arguments" not in omitted
    gone = told(row(payload=None), lambda _: None)
    assert gone["erased"] is True
    assert "arguments" not in gone


def test_body_that_was_erased_leaves_what_the_columns_have() -> None:
    entry = told(row(an_outcome("c1", code="not_permitted"), body=None, payload=None), None)
    assert entry["erased"] is True
    assert (entry["kind"], entry["call"], entry["code"]) == ("outcome", "c1", "not_permitted")
    assert (entry["record"]["log"], entry["record"]["seq"]) == (3, 7)
    assert "run" not in entry  # there is none


@pytest.mark.parametrize(
    "more",
    [
        {"body": INTENT.body.decode().replace("ada", "eve")},
        {"body": "{}"},
        {"body": 5},
        {"body": b"blob"},
        {"body": "\udcff"},
        {"hash": b"\0" * 32},
        {"hash": None},
        {"payload": "{}"},
        {"payload": "\udcff"},
        {"payload": b"blob"},
        {"payload": 5},
        *(
            {"body": announced, "hash": leaf_hash(announced.encode())}
            for announced in ('{"payload":5}', '{"payload":{}}')
        ),
        {"body": "[]", "hash": leaf_hash(b"[]")},
        {"body": "{", "hash": leaf_hash(b"{")},
    ],
)
def test_anything_that_is_not_what_was_hashed_is_an_error_that_names_the_place(
    more: dict[str, Any],
) -> None:
    with pytest.raises(StoreError, match="record 3/7 was tampered with"):
        told(row(**more), None)


def test_blob_that_is_not_what_was_hashed_is_an_error_that_names_the_place() -> None:
    with pytest.raises(StoreError, match="record 3/7 was tampered with: its payload"):
        told(row(payload=None), lambda _: b"{}")


def test_payload_adds_to_the_body_and_never_changes_it() -> None:
    payload = b'{"arguments":{},"principal":{"id":"eve"},"code":"ok"}'
    told_so = b'{"kind":"intent","call":"c1","principal":null,"payload":{"sha256":"%s","bytes":1}}'
    body = told_so % hashlib.sha256(payload).hexdigest().encode()
    entry = told(row(replace(INTENT, body=body, payload=payload)), None)
    assert entry["principal"] is None
    assert entry["code"] == "ok"


def test_old_bodies_have_their_arguments_inside() -> None:
    body = b'{"format":1,"kind":"intent","call":"c1","arguments":{"a":1}}'
    assert told(row(replace(INTENT, body=body, payload=None)), None)["arguments"] == {"a": 1}
