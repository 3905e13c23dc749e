from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.audit.selecting import Selector
from callgate.storage.blobs.opening import reader_of
from callgate.storage.reading import Records
from callgate.storage.reading.losses import WHY
from callgate.storage.retention import erasing
from fakes.erasing import ErasedRecord, an_erased_record


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ErasedRecord]:
    monkeypatch.setattr(erasing.Eraser, "_pause", lambda *_: None)
    with an_erased_record("sqlite", tmp_path) as made:
        yield made


def told(record: ErasedRecord) -> dict[str, tuple[bool, str | None]]:
    """Of each call, whether it is said to be erased in part, and why some of it is lost."""
    found = Records(record.settings, reader_of(record.settings))
    calls = {call["call"]: call for _, call in found.scan_calls({})}
    for call_id, call in calls.items():
        lost = [one.get("payload_lost") for one in found.entries(call_id)]
        assert call.get("payload_lost") in lost
    return {
        call_id: (bool(call.get("erased")), (call.get("payload_lost") or {}).get("why"))
        for call_id, call in calls.items()
    }


def test_a_payload_that_is_gone_is_erased_only_where_that_was_said(record: ErasedRecord) -> None:
    for call_id in ("kept", "erased"):
        record.call(call_id, large=True)
    record.call("small")
    assert told(record) == dict.fromkeys(("kept", "erased", "small"), (False, None))
    record.desk.erase(Selector(call="erased"), "payloads", "asked for", "ada")
    assert told(record) == {"kept": (False, None), "erased": (True, None), "small": (False, None)}
    shutil.rmtree(record.settings.beside("-blobs"))  # as where a disk is not mounted
    assert told(record) == {"kept": (False, WHY), "erased": (True, None), "small": (False, None)}


def test_what_is_erased_while_it_is_read_is_not_lost(record: ErasedRecord) -> None:
    for number in range(4):
        record.call(f"c{number}", large=True)
    record.desk.erase(Selector(call="c0"), "payloads", "asked for", "ada")
    found = Records(record.settings, reader_of(record.settings)).scan_calls({})
    assert next(found)[1]["erased"]  # what was erased by then is known
    record.desk.erase(Selector(), "payloads", "asked for", "ada")
    assert all(call["erased"] for _, call in found)
