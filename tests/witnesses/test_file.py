import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from callgate.audit.notes import split_notes
from callgate.witnesses.file import FileWitness
from callgate.witnesses.witness import Disputed, WitnessError
from fakes.record import FakeRecord
from fakes.witnesses import FakeLogOfLogs


def show(path: Path, log: FakeLogOfLogs) -> None:
    witness = FileWitness("office", path, 10)
    assert asyncio.run(witness.show(log.shown())) == ()


def test_each_checkpoint_is_added_to_the_end(tmp_path: Path) -> None:
    path, log = tmp_path / "seen.txt", FakeLogOfLogs()
    notes = []
    for _ in range(3):
        log.grow()
        show(path, log)
        show(path, log)  # again: it is there already
        notes.append(log.newest())

    assert split_notes(path.read_text()) == notes
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_does_not_go_back_and_knows_another_record(tmp_path: Path) -> None:
    path, log = tmp_path / "seen.txt", FakeLogOfLogs()
    log.grow(3)
    show(path, log)
    before = path.read_bytes()

    shorter, replaced = FakeLogOfLogs(), FakeLogOfLogs()
    shorter.grow(2)
    replaced.calls = 100
    replaced.grow(3)
    foreign = FakeLogOfLogs(FakeRecord("callgate.dev/other"))
    foreign.grow(9)
    for other, problem in [
        (shorter, "has seen 3 entries, the record has 2"),
        (replaced, "has seen another record of 3 entries"),
        (foreign, "not of callgate.dev/other/0"),
    ]:
        with pytest.raises(Disputed, match=problem):
            show(path, other)
    assert path.read_bytes() == before


def test_what_a_crash_left_behind_the_last_checkpoint_is_passed_over(tmp_path: Path) -> None:
    path, log = tmp_path / "seen.txt", FakeLogOfLogs()
    log.grow(3)
    show(path, log)
    note = path.read_text()
    for cut in range(1, len(note), 7):
        path.write_text(note + note[:cut])
        log.grow()
        show(path, log)
        assert split_notes(path.read_text())[0] + "\n" == note
        assert split_notes(path.read_text())[-1] == log.newest()
        shorter = FakeLogOfLogs()
        shorter.grow(2)
        with pytest.raises(Disputed):
            show(path, shorter)


def test_a_first_checkpoint_that_a_crash_cut_off_is_followed_by_a_whole_one(tmp_path: Path) -> None:
    path, log = tmp_path / "seen.txt", FakeLogOfLogs()
    log.grow(3)
    note = log.newest()
    assert note is not None
    for cut in (0, 5, 40, 90, len(note) - 1):
        path.write_text(note[:cut])
        show(path, log)
        assert split_notes(path.read_text())[-1] == note


def a_directory(path: Path) -> None:
    path.mkdir()


def another_file(path: Path) -> None:
    path.write_text("my diary\n")


def nothing_above(path: Path) -> None:
    path.parent.rmdir()


@pytest.mark.parametrize("spoil", [a_directory, another_file, nothing_above])
def test_what_cannot_be_written_is_said(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path, log = tmp_path / "sub" / "seen.txt", FakeLogOfLogs()
    path.parent.mkdir()
    spoil(path)
    log.grow()

    with pytest.raises(WitnessError, match="seen"):
        show(path, log)
