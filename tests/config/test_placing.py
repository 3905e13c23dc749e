import os
from pathlib import Path

import pytest

from callgate.config.placing import PRIVATE, keep_copy, mode_of, place


def test_a_file_appears_whole_with_its_mode(tmp_path: Path) -> None:
    place(tmp_path / "sub" / "file", "text\n", PRIVATE)
    assert (tmp_path / "sub" / "file").read_text() == "text\n"
    assert mode_of(tmp_path / "sub" / "file") == 0o600
    assert os.listdir(tmp_path / "sub") == ["file"]


def test_a_wider_mode_is_narrowed_by_overwriting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(0o644)
    place(file, "new", PRIVATE)
    assert (file.read_text(), mode_of(file)) == ("new", 0o600)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    place(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_failure_leaves_the_old_text_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        place(tmp_path / "file", "\ud800")
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_copies_never_replace_each_other(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("1")
    first = keep_copy(file)
    file.write_text("2")
    second = keep_copy(file)
    assert (first.name, first.read_text()) == ("mcp.json.before-callgate", "1")
    assert (second.name, second.read_text()) == ("mcp.json.before-callgate.2", "2")
