"""Events in the record."""

from __future__ import annotations

from callgate.audit.event import POLICIES, event
from callgate.audit.record import content_of, indexed


def test_an_event_stands_in_the_log_like_a_call_and_is_none() -> None:
    entry = event(POLICIES, 1_790_000_000.25, {"version": "abc", "stored": {"author": "ada"}})

    assert indexed(entry.body) == entry
    assert (entry.kind, entry.call_id[0], entry.principal) == ("event", "e", None)


def test_an_event_is_found_by_its_name_also_where_it_tells_of_a_code() -> None:
    entry = event(POLICIES, 1.0, {"code": "not_permitted"})

    assert (entry.code, content_of(entry)["code"]) == (POLICIES, "not_permitted")
    assert indexed(entry.body) == entry


def test_no_two_events_have_the_same_id() -> None:
    assert len({event(POLICIES, 1_790_000_000.0, {}).call_id for _ in range(100)}) == 100


def test_an_event_that_defines_something_is_called_after_it() -> None:
    entry = event("tool_defined", 1.0, {}, identifier="tool:1", payload={"definition": {}})

    assert entry.call_id == "tool:1"
    assert entry.payload == b'{"definition":{}}'
