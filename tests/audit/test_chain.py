from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.audit.chain import GENESIS, INDEX, Record, link, verify
from callgate.audit.record import Entry
from fakes.store import an_intent, an_outcome


def a_chain(*entries: Entry) -> list[Record]:
    chain: list[Record] = []
    previous = GENESIS
    for seq, entry in enumerate(entries, 1):
        own = link(previous, seq, 7, entry.body)
        chain.append(Record(seq=seq, writer=7, entry=entry, previous_hash=previous, hash=own))
        previous = own
    return chain


CHAIN = a_chain(
    an_intent("c1"), an_outcome("c1"), an_outcome("c2", code="not_permitted"), an_intent("c3")
)


def reason(chain: list[Record]) -> tuple[int, str]:
    failure = verify(chain).failure
    assert failure is not None
    return failure.seq, failure.reason


def test_hash_is_sha256_over_lines_of_head_fields_and_the_body() -> None:
    expected = hashlib.sha256(b"callgate.record.1\n" + b"0" * 64 + b"\n1\n7\n{}").hexdigest()
    assert link(GENESIS, 1, 7, b"{}") == expected


def test_untouched_chain_holds() -> None:
    found = verify(CHAIN)
    assert (found.records, found.head, found.failure) == (4, CHAIN[-1].hash, None)


def test_empty_chain_holds() -> None:
    found = verify([])
    assert (found.records, found.head, found.failure) == (0, GENESIS, None)


def test_edited_body_shows() -> None:
    CHAIN[1].entry.body.index(b'"ok"')
    body = CHAIN[1].entry.body.replace(b'"ok"', b'"no"')
    edited = [CHAIN[0], replace(CHAIN[1], entry=replace(CHAIN[1].entry, body=body)), *CHAIN[2:]]
    assert reason(edited) == (2, "its body, writer or hash was edited: the hash does not fit")


def test_record_that_was_forged_with_a_hash_that_fits_breaks_the_next_link() -> None:
    forged_body = an_intent("c1", arguments={"amount": 1}).body
    forged = replace(
        CHAIN[0],
        entry=an_intent("c1", arguments={"amount": 1}),
        hash=link(GENESIS, 1, 7, forged_body),
    )
    expected = "it continues another record than the one before it: that one was replaced"
    assert reason([forged, *CHAIN[1:]]) == (2, expected)


def test_edited_previous_hash_shows() -> None:
    edited = [*CHAIN[:2], replace(CHAIN[2], previous_hash="1" * 64), CHAIN[3]]
    assert reason(edited) == (3, "its previous_hash was edited")


@pytest.mark.parametrize("column", INDEX)
def test_edited_index_column_is_named(column: str) -> None:
    entry = replace(CHAIN[1].entry, **{column: "forged"})
    seq, why = reason([CHAIN[0], replace(CHAIN[1], entry=entry), *CHAIN[2:]])
    assert seq == 2
    assert why.startswith(f"its column {column} was edited: it is 'forged', the body says ")


def test_missing_records_are_named() -> None:
    assert reason(CHAIN[1:]) == (2, "record 1 is missing before it")
    assert reason([CHAIN[0], CHAIN[3]]) == (4, "records 2 to 3 are missing before it")


def test_inserted_record_shows() -> None:
    assert reason([CHAIN[0], CHAIN[0], *CHAIN[1:]]) == (1, "a record was inserted before record 2")


def test_body_that_is_no_entry_shows_although_its_hash_fits() -> None:
    (record,) = a_chain(replace(an_intent(), body=b"{}"))
    assert reason([record])[1].startswith("its body is not an entry of the record")


FIELDS = st.sampled_from(["seq", "writer", "previous_hash", "hash", "body", *INDEX])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary())


@given(st.integers(0, 3), FIELDS, VALUES)
def test_any_edit_of_any_field_shows(index: int, field: str, value: Any) -> None:
    record = CHAIN[index]
    if field == "seq" and not isinstance(value, int):
        return  # the database's own key: always a number
    in_entry = field == "body" or field in INDEX
    old = getattr(record.entry if in_entry else record, field)
    if old == value and type(old) is type(value):
        return
    if in_entry:
        edited = replace(record, entry=replace(record.entry, **{field: value}))
    else:
        edited = replace(record, **{field: value})
    assert verify([*CHAIN[:index], edited, *CHAIN[index + 1 :]]).failure is not None


@given(st.permutations(range(4)))
def test_any_other_order_shows(order: list[int]) -> None:
    moved = [replace(CHAIN[index], seq=place) for place, index in enumerate(order, 1)]
    assert (verify(moved).failure is None) == (order == sorted(order))
