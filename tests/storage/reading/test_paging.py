"""How much one question does at most; which calls there are: tests/contracts/test_records.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from callgate.ports import CallFilter
from callgate.storage.reading import Records, paging
from callgate.storage.rows import looking
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome
from fakes.writing import write


@pytest.fixture
def records(tmp_path: Path) -> Records:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(
        settings,
        an_outcome("first", code="not_permitted"),
        *(an_outcome(f"c{n}") for n in range(900)),
    )
    return Records(settings)


def test_page_may_be_empty_and_go_on_where_it_would_be_too_much_work(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MOST_WORK", 300)
    monkeypatch.setattr(looking, "FURTHEST_LOOK", 256)
    chosen = CallFilter(is_refused=True)
    pages = [records.calls(chosen)]
    while pages[-1].next is not None:
        pages.append(records.calls(replace(chosen, after=pages[-1].next)))
    assert pages[0].calls == ()
    assert [call["call"] for page in pages for call in page.calls] == ["first"]


def test_page_that_is_full_ends_with_its_last_call(records: Records) -> None:
    page = records.calls(CallFilter(limit=3))
    assert [call["call"] for call in page.calls] == ["c899", "c898", "c897"]
    following = records.calls(CallFilter(limit=2, after=page.next))
    assert [call["call"] for call in following.calls] == ["c896", "c895"]


def test_payloads_in_lists_are_left_out_unless_it_matters_what_is_in_them(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    entry = an_outcome("c1", code="not_permitted")
    assert entry.payload is not None
    content = entry.payload
    write(settings, replace(entry, payload=None))
    asked: list[str] = []

    def blobs(digest: str) -> bytes:
        asked.append(digest)
        return content

    records = Records(settings, blobs)
    (call,) = records.calls(CallFilter()).calls
    assert call["payload_omitted"] == len(content)
    assert asked == []
    assert records.calls(CallFilter(text="c1")).calls[0]["call"] == "c1"
    assert records.entries("c1")[0]["arguments"]["amount"] == 5
    assert len(asked) == 2
