"""Events in the record."""

from __future__ import annotations

from callgate.audit.chain import GENESIS, Record, link, verify
from callgate.audit.event import POLICIES, event
from callgate.audit.record import indexed


def test_an_event_stands_in_the_chain_like_a_call_and_is_none() -> None:
    entry = event(POLICIES, 1_790_000_000.25, {"version": "abc", "stored": {"author": "ada"}})
    record = Record(
        seq=1,
        writer=1,
        entry=entry,
        previous_hash=GENESIS,
        hash=link(GENESIS, 1, 1, entry.body),
    )

    assert indexed(entry.body) == entry
    assert (entry.kind, entry.call_id[0], entry.principal) == ("event", "e", None)
    assert verify([record]).failure is None


def test_no_two_events_have_the_same_id() -> None:
    assert len({event(POLICIES, 1_790_000_000.0, {}).call_id for _ in range(100)}) == 100
