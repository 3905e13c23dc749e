from pathlib import Path

import pytest

from callgate.cli.audit.secret import replace_file, secret_file


def test_a_secret_file_is_for_its_owner_and_never_over_another(tmp_path: Path) -> None:
    with secret_file(tmp_path / "key") as file:
        file.write(b"one")

    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        secret_file(tmp_path / "key")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("one")
    (tmp_path / "key.new").write_text("left behind")
    replace_file(tmp_path / "key", b"two")

    assert (tmp_path / "key").read_text() == "two"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
