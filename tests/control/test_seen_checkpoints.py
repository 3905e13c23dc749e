from pathlib import Path

import pytest

from callgate.control.seen_checkpoints import Seen, SeenCheckpoints
from callgate.ports import StoreError

FIRST, SECOND = Seen(size=1, root=bytes(32), note="a"), Seen(size=2, root=bytes(32), note="b")


def test_the_newest_of_each_log_is_kept(tmp_path: Path) -> None:
    seen = SeenCheckpoints(tmp_path / "w.db")
    told: list[Seen | None] = []

    def decide(before: Seen | None) -> Seen:
        told.append(before)
        return FIRST if before is None else SECOND

    assert seen.replace("a/0", decide) == FIRST
    assert seen.replace("a/0", decide) == SECOND
    seen.close()
    again = SeenCheckpoints(tmp_path / "w.db")
    assert (again.newest("a/0"), again.newest("b/0")) == (SECOND, None)
    assert told == [None, FIRST]
    assert (tmp_path / "w.db").stat().st_mode & 0o777 == 0o600
    again.close()


def test_who_decides_against_it_changes_nothing(tmp_path: Path) -> None:
    seen = SeenCheckpoints(tmp_path / "w.db")
    seen.replace("a/0", lambda _: FIRST)

    def refuse(before: Seen | None) -> Seen:
        raise KeyError("no")

    with pytest.raises(KeyError):
        seen.replace("a/0", refuse)
    assert seen.newest("a/0") == FIRST
    assert seen.replace("a/0", lambda _: SECOND) == SECOND
    seen.close()


def test_a_file_that_cannot_be_one_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "w.db").write_text("hello, I am a text that is long enough to be no database")

    with pytest.raises(StoreError, match=r"w\.db"):
        SeenCheckpoints(tmp_path / "w.db")
    with pytest.raises(StoreError, match="nowhere"):
        SeenCheckpoints(tmp_path / "nowhere" / "w.db")
