from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.columns import COLUMNS, column_fault, payload_fault, read_said
from callgate.audit.record import Entry, entry_of, indexed, rfc3339
from fakes.small_entries import AT, an_event, an_intent, an_outcome


def kept(entry: Entry) -> tuple[Any, ...]:
    return tuple(getattr(entry, name) for name in COLUMNS)


def fault(entry: Entry, columns: tuple[Any, ...]) -> str | None:
    return column_fault(read_said(entry.body), columns, entry.body)


TEXTS = st.none() | st.text(max_size=20) | st.just("x" * 501) | st.just("a\0b")


@given(
    st.sampled_from(["intent", "outcome", "event", "checkpoint"]),
    st.integers(0, 4_000_000_000_000_000),
    st.dictionaries(st.sampled_from(["target", "tool", "code", "event", "ran", "run"]), TEXTS),
    st.none() | st.fixed_dictionaries({"id": TEXTS, "agent": TEXTS, "more": TEXTS}),
    st.none() | st.booleans(),
    st.sampled_from([1, 2, None]),
)
def test_the_columns_that_every_reader_makes_of_a_body_are_in_order(
    kind: str, at: int, said: dict[str, Any], who: Any, delivered: bool | None, version: Any
) -> None:
    body = {
        "format": version, "kind": kind, "call": "c1", "at": rfc3339(at / 1_000_000),
        "principal": who, "delivered": delivered, **said,
    }  # fmt: skip
    entry = indexed(entry_of(body, at / 1_000_000).body)

    assert fault(entry, kept(entry)) is None


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("value", ["another", 17, None, b"x"])
def test_a_column_that_is_not_what_the_body_says_is_named(name: str, value: Any) -> None:
    entry = an_outcome("c1")
    columns = list(kept(entry))
    columns[COLUMNS.index(name)] = value

    found = fault(entry, tuple(columns))
    assert found is not None
    assert found.startswith(f"its column {name} was edited")


def test_a_driver_may_say_one_for_true() -> None:
    entry = an_outcome("c1")
    columns = list(kept(entry))
    columns[COLUMNS.index("is_delivered")] = 1

    assert fault(entry, tuple(columns)) is None


def test_the_code_of_an_event_is_its_name() -> None:
    entry = an_event("gateway_started")

    assert read_said(entry.body).columns()[COLUMNS.index("code")] == "gateway_started"
    assert fault(entry, kept(entry)) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"\xff", b'{"kind":1,"call":"c","at":"x"}', b"[" * 100_000],
)
def test_what_is_no_entry_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(ValueError, match="no entry of the record"):
        read_said(body)


@pytest.mark.parametrize("at", ["", "yesterday", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_that_is_none_is_a_fault(at: str) -> None:
    body = b'{"kind":"event","call":"e1","at":"%s"}' % at.encode()

    assert column_fault(read_said(body), (None,) * 11, body) is not None


def test_a_payload_is_what_the_body_has_the_digest_of() -> None:
    with_one = an_intent("c1", AT)
    without = an_intent("c2", AT, payload=False)
    assert with_one.payload is not None

    assert payload_fault(read_said(with_one.body), with_one.payload) is None
    assert payload_fault(read_said(with_one.body), None) is None
    assert payload_fault(read_said(without.body), None) is None
    edited = payload_fault(read_said(with_one.body), with_one.payload + b" ")
    added = payload_fault(read_said(without.body), b"{}")
    assert edited is not None and "edited" in edited
    assert added is not None and "knows nothing" in added
