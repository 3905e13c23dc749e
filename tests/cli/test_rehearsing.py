"""The record is looked at in stretches that together are all of it, each entry once."""

from pathlib import Path

import pytest

from callgate.cli.policy.grounds import Chosen, grounds_on
from callgate.cli.rehearsing import (
    SLACK_SECONDS,
    Rehearsal,
    Slice,
    entries_of,
    in_the_world_of,
    play,
    slices,
)
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.ports import CallFilter
from callgate.storage.settings import StoreSettings
from fakes.history import ADA, POLICIES, a_history
from fakes.history import entries_of as written
from fakes.recorded import FakeRecords, defined
from fakes.writing import write

EVERYTHING = CallFilter(with_lists=True)


def seqs(records: FakeRecords, chosen: CallFilter, parts: int) -> list[str]:
    found: list[str] = []
    for piece in slices(records, chosen, parts):
        entries = entries_of(records, piece, records.heads(), EVERYTHING, lambda _: None)
        found += [entry["call"] + entry["kind"] for entry in entries]
    return found


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 100])
def test_stretches_are_all_of_the_record_and_each_entry_once(parts: int) -> None:
    records = FakeRecords(written())

    assert seqs(records, EVERYTHING, parts) == seqs(records, EVERYTHING, 1)
    assert len(seqs(records, EVERYTHING, parts)) == 9  # four calls with two entries, one with one


def test_what_is_long_before_or_after_is_not_even_read() -> None:
    records = FakeRecords(written([(ADA, 10)] * 400))
    begin = 1_790_000_000.0
    since, until = begin + 200 * 60, begin + 201 * 60

    (piece,) = slices(records, CallFilter(since=since, until=until), 1)

    around = [records.entries_[seq]["at"] for seq in (piece.start, piece.end - 1)]
    assert piece.size <= 3 * (2 * SLACK_SECONDS / 60 + 2)  # each call and its tool, once a minute
    assert around[0] < around[1]
    assert piece.start > 0 and piece.end < records.heads()[1]


def test_how_far_it_is_is_told_to_the_last_entry() -> None:
    records = FakeRecords(written([(ADA, 10)] * 400))
    total, told = records.heads()[1], list[int]()

    list(entries_of(records, Slice(log=1, start=0, end=total), {1: total}, EVERYTHING, told.append))

    assert sum(told) == total
    assert len(told) > 1


def test_several_logs_are_looked_at_one_after_the_other(tmp_path: Path) -> None:
    path = a_history(tmp_path / "r.db")
    again = [entry for entry in written([(ADA, 20)]) if entry.kind in ("intent", "outcome")]
    write(StoreSettings(path=path), *again)
    policies = read_policies([("shop.cedar", POLICIES)])
    rehearsal = Rehearsal(
        config=None, store=str(path), chosen=EVERYTHING, policies=policies, names=Names()
    )
    begun: list[int] = []
    told: list[int] = []

    found = play(rehearsal, 1, begun.append, told.append)

    assert found.simulated.decided == 6
    assert sum(told) == sum(begun)


def test_without_a_configuration_names_are_those_of_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = Engine(
        read_policies([("p", POLICIES)]),
        Names(namespace="Acme", gateway="g"),
        {"risk": {"score": "integer"}},
    )
    write(StoreSettings(path=tmp_path / "r.db"), defined(engine))
    grounds = grounds_on(Chosen(), None, ())

    found = in_the_world_of(grounds, Chosen(), str(tmp_path / "r.db"))

    assert (found.names, found.enrichments) == (engine.names, engine.enrichments)
    write(StoreSettings(path=tmp_path / "empty.db"))
    assert in_the_world_of(grounds, Chosen(), str(tmp_path / "empty.db")) is grounds
