import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from callgate.secret_files import kept_secret, replace_file, secret_file


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


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "key"

    assert kept_secret(file, lambda: b"one") == kept_secret(file, lambda: b"two") == b"one"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["key"]


def test_who_is_killed_while_it_is_made_leaves_none(tmp_path: Path) -> None:
    def dies() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_secret(tmp_path / "key", dies)
    assert list(tmp_path.iterdir()) == []
    assert kept_secret(tmp_path / "key", lambda: b"whole") == b"whole"


def test_all_who_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    all_make = Barrier(8)

    def make() -> bytes:
        all_make.wait()
        return secrets.token_bytes(32)

    with ThreadPoolExecutor(8) as threads:
        made = [threads.submit(kept_secret, tmp_path / "key", make) for _ in range(8)]
        assert {one.result() for one in made} == {(tmp_path / "key").read_bytes()}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_an_error_and_so_is_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="directory"):
        kept_secret(tmp_path / "file" / "key", lambda: b"x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        kept_secret(tmp_path / "link", lambda: b"x")
