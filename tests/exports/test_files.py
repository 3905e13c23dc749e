from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import batches
from callgate.exports.export import Batch, DestinationError
from callgate.exports.files import FileDestination
from fakes.exporting import CALLS, FakeSource


def two_batches() -> tuple[Batch, Batch]:
    first, second = batches(FakeSource(6), CALLS, ExportCursor())
    return first, second


def send(destination: FileDestination, *sent: Batch) -> None:
    async def scenario() -> None:
        for batch in sent:
            await destination.send(batch)
        await destination.close()

    asyncio.run(scenario())


def test_lines_follow_each_other_also_over_restarts(tmp_path: Path) -> None:
    first, second = two_batches()
    send(FileDestination(tmp_path / "new", "siem", 1 << 20), first)
    send(FileDestination(tmp_path / "new", "siem", 1 << 20), second)
    file = tmp_path / "new" / "siem.jsonl"
    assert file.read_bytes() == b"".join((*first.lines, *second.lines))
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("half", [b'{"half', b"x" * 200_000])
def test_a_line_that_a_crash_cut_short_is_taken_off(tmp_path: Path, half: bytes) -> None:
    first, second = two_batches()
    file = tmp_path / "siem.jsonl"
    file.write_bytes(b"".join(first.lines) + half)
    send(FileDestination(tmp_path, "siem", 1 << 20), second)
    assert file.read_bytes() == b"".join((*first.lines, *second.lines))


def test_a_file_of_one_half_line_begins_anew(tmp_path: Path) -> None:
    first, _ = two_batches()
    (tmp_path / "siem.jsonl").write_bytes(b'{"half')
    send(FileDestination(tmp_path, "siem", 1 << 20), first)
    assert (tmp_path / "siem.jsonl").read_bytes() == b"".join(first.lines)


def test_full_files_are_put_aside_in_order(tmp_path: Path) -> None:
    first, second = two_batches()
    send(FileDestination(tmp_path, "siem", 1), first, second, first)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "siem-1.jsonl": b"".join(first.lines),
        "siem-2.jsonl": b"".join(second.lines),
        "siem.jsonl": b"".join(first.lines),
    }


def test_a_file_that_was_taken_away_is_made_anew(tmp_path: Path) -> None:
    first, second = two_batches()
    destination = FileDestination(tmp_path, "siem", 1 << 20)

    async def scenario() -> None:
        await destination.send(first)
        (tmp_path / "siem.jsonl").rename(tmp_path / "collected")
        await destination.send(second)
        await destination.close()

    asyncio.run(scenario())
    assert (tmp_path / "collected").read_bytes() == b"".join(first.lines)
    assert (tmp_path / "siem.jsonl").read_bytes() == b"".join(second.lines)


def test_a_batch_that_does_not_fit_on_the_disk_leaves_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_batches()
    destination = FileDestination(tmp_path, "siem", 1 << 20)

    def full(_descriptor: Any) -> None:
        raise OSError(28, "No space left on device")

    async def scenario() -> None:
        await destination.send(first)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(DestinationError, match="No space left"):
                await destination.send(second)
        assert (tmp_path / "siem.jsonl").read_bytes() == b"".join(first.lines)
        await destination.send(second)
        await destination.close()

    asyncio.run(scenario())
    assert (tmp_path / "siem.jsonl").read_bytes() == b"".join((*first.lines, *second.lines))


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DestinationError, match=r"file/siem\.jsonl"):
        send(FileDestination(tmp_path / "file", "siem", 1), two_batches()[0])
