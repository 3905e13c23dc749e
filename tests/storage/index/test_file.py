from __future__ import annotations

from pathlib import Path

from callgate.storage.index.file import file_of, reading


def test_file_lies_beside_the_record() -> None:
    assert file_of(Path("/srv/r.db")) == Path("/srv/r.db-search")


def test_where_there_is_none_none_can_be_used(tmp_path: Path) -> None:
    with reading(tmp_path / "r.db") as index:
        assert index is None
