"""What the index finds is held against the record in tests/contracts/test_records.py."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from callgate.ports import CallFilter
from callgate.storage.index import finding
from callgate.storage.index.bits import BLOCK
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.chosen import FILTERS, name_of, some_calls
from fakes.store import NOW, an_outcome
from fakes.writing import write


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    settings = StoreSettings(path=tmp_path_factory.mktemp("finding") / "r.db")
    write(
        settings,
        *(
            an_outcome(
                f"c{n:05}", NOW + n, "not_permitted", arguments={"memo": "even" if n % 2 else "odd"}
            )
            for n in range(3 * BLOCK)
        ),
    )
    records = Records(settings)
    while records.catch_up(1 << 20):
        pass
    return records


def looked_at(records: Records, chosen: CallFilter, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of calls that the index could not rule out."""
    count = 0
    rows = finding.Finder._rows

    def counting(self: finding.Finder, log: int, seqs: list[int]) -> object:
        nonlocal count
        count += len(seqs)
        return rows(self, log, seqs)

    monkeypatch.setattr(finding.Finder, "_rows", counting)
    list(records.all_calls(chosen))
    return count


def test_blocks_outside_the_time_are_passed_over(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = CallFilter(since=NOW + BLOCK, until=NOW + BLOCK + 10, limit=1000)
    assert looked_at(records, chosen, monkeypatch) == BLOCK
    assert looked_at(records, CallFilter(until=NOW), monkeypatch) == 0


def test_words_are_searched_where_looking_at_the_calls_would_be_more(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked_at(records, CallFilter(text="nowhere"), monkeypatch) == 0
    assert len(list(records.all_calls(CallFilter(text="even", limit=1000)))) == 3 * BLOCK / 2


@pytest.fixture(scope="module")
def various(tmp_path_factory: pytest.TempPathFactory) -> Records:
    settings = StoreSettings(path=tmp_path_factory.mktemp("various") / "r.db")
    write(settings, *some_calls(2000))
    records = Records(settings)
    while records.catch_up(1 << 20):
        pass
    return records


@pytest.mark.parametrize("chosen", FILTERS, ids=name_of)
@pytest.mark.parametrize(
    ("few", "many", "per_candidate"), [(0, 1, 64), (1 << 20, 1 << 20, 64), (0, 1, 0), (1, 1, 1)]
)
def test_whatever_is_asked_first_the_same_calls_are_found(
    various: Records,
    chosen: CallFilter,
    few: int,
    many: int,
    per_candidate: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = [call["call"] for call in various.all_calls(replace(chosen, limit=400))]
    monkeypatch.setattr(finding, "FEW", few)
    monkeypatch.setattr(finding, "MANY", many)
    monkeypatch.setattr(finding, "HITS_PER_CANDIDATE", per_candidate)
    monkeypatch.setattr(finding, "FIRST_BLOCKS", 1)
    assert [call["call"] for call in various.all_calls(replace(chosen, limit=400))] == expected
