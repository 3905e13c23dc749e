"""Policy files."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.sources import files
from callgate.sources.sourced import Sourced, SourceError


def test_files_are_found_once_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.cedar", "a.cedar", "deep/er/c.cedar", "notes.txt"):
        (tmp_path / name).touch()

    found = files.find(("*.cedar", "a.cedar", "deep/**/*.cedar", "nothing/*.cedar"), tmp_path)

    assert found == tuple(tmp_path / name for name in ("a.cedar", "b.cedar", "deep/er/c.cedar"))


def test_what_is_watched_is_where_another_file_would_count(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()

    found = files.places(("policies/*.cedar", "not/there/yet/*.cedar", "a.cedar"), tmp_path)

    assert found == {tmp_path / "policies", tmp_path}


def test_a_file_is_read_under_its_name_without_its_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.cedar"
    file.write_bytes(b"\xef\xbb\xbfpermit(principal, action, resource);\r\n")

    assert files.read([file]) == (
        Sourced(
            name="a.cedar",
            text="permit(principal, action, resource);\r\n",
            kind="file",
            place=str(file),
        ),
    )


def test_what_cannot_be_read_is_said_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "latin.cedar").write_bytes(b"// one\n// \xe9\n")
    (tmp_path / "large.cedar").write_bytes(b" " * 11)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 10)

    with pytest.raises(SourceError, match=r"gone\.cedar: cannot be read: No such file"):
        files.read([tmp_path / "gone.cedar"])
    with pytest.raises(SourceError, match=r"large\.cedar: is larger than 10 bytes"):
        files.read([tmp_path / "large.cedar"])
    monkeypatch.undo()
    with pytest.raises(SourceError, match=r"latin\.cedar: line 2 is not UTF-8"):
        files.read([tmp_path / "latin.cedar"])
