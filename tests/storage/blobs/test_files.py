"""Payloads as files: whole or not at all, for their owner only."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callgate.storage.blobs.blob_store import BlobError, digest_of
from callgate.storage.blobs.files import DRAFT_SECONDS, DRAFTS, FileBlobs

CONTENT = b'{"arguments":{}}' * 1000
DIGEST = digest_of(CONTENT)

# It tells when the content is written and not yet safe, and then waits to be killed.
DYING = """
import os, sys, time
from pathlib import Path
from callgate.storage.blobs.files import FileBlobs

def fsync(handle, real=os.fsync):
    real(handle)
    if not os.path.isdir(f"/proc/self/fd/{handle}"):
        print("written", flush=True)
        time.sleep(60)

os.fsync = fsync
FileBlobs(Path(sys.argv[1])).put(sys.argv[2], b'{"arguments":{}}' * 1000)
"""


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk on which no more has room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def path_of(root: Path) -> Path:
    return root / DIGEST[:2] / DIGEST


def drafts(root: Path) -> list[str]:
    return [path.name for path in (root / DRAFTS).iterdir()]


def test_what_is_put_can_be_had_again_until_it_is_deleted(tmp_path: Path) -> None:
    root = tmp_path / "blobs"
    blobs = FileBlobs(root)
    assert (blobs.has(DIGEST), blobs.get(DIGEST)) == (False, None)
    blobs.delete(DIGEST)
    blobs.put(DIGEST, CONTENT)
    blobs.put(DIGEST, CONTENT)

    assert (blobs.has(DIGEST), blobs.get(DIGEST)) == (True, CONTENT)
    assert (path_of(root).read_bytes(), drafts(root)) == (CONTENT, [])
    blobs.set_aside(DIGEST)
    assert (blobs.has(DIGEST), blobs.get(DIGEST)) == (True, CONTENT)
    blobs.delete(DIGEST)
    assert (blobs.has(DIGEST), blobs.get(DIGEST)) == (False, None)


@pytest.mark.parametrize("is_put_anew", [False, True])
def test_what_was_set_aside_can_be_put_back(tmp_path: Path, is_put_anew: bool) -> None:
    root = tmp_path / "blobs"
    blobs = FileBlobs(root)
    blobs.put_back(DIGEST)
    blobs.set_aside(DIGEST)
    blobs.put(DIGEST, CONTENT)
    assert blobs.is_in_place(DIGEST)
    blobs.set_aside(DIGEST)
    assert not path_of(root).exists()
    assert (blobs.has(DIGEST), blobs.is_in_place(DIGEST)) == (True, False)
    if is_put_anew:
        blobs.put(DIGEST, CONTENT)
    blobs.put_back(DIGEST)
    blobs.delete(DIGEST)
    assert path_of(root).read_bytes() == CONTENT


def test_what_was_put_anew_stays_when_what_was_set_aside_goes(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put(DIGEST, CONTENT)
    blobs.set_aside(DIGEST)
    blobs.put(DIGEST, CONTENT)
    blobs.delete(DIGEST)
    assert blobs.get(DIGEST) == CONTENT


def test_files_and_directories_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FileBlobs(tmp_path / "blobs").put(DIGEST, CONTENT)
    finally:
        os.umask(before)

    for path in (tmp_path / "blobs").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_another_content_in_its_place_is_an_error_and_put_right(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put(DIGEST, CONTENT)
    path_of(tmp_path).write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(BlobError, match="was replaced by something else"):
        blobs.get(DIGEST)
    blobs.put(DIGEST, CONTENT)

    assert blobs.get(DIGEST) == CONTENT


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(CONTENT)
    path = path_of(tmp_path / "blobs")
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    with pytest.raises(BlobError):
        FileBlobs(tmp_path / "blobs").get(DIGEST)


def test_a_process_killed_in_the_middle_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DYING, str(tmp_path), DIGEST], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGKILL)

    blobs = FileBlobs(tmp_path)
    assert (blobs.has(DIGEST), blobs.get(DIGEST)) == (False, None)
    (left,) = drafts(tmp_path)
    blobs.put(DIGEST, CONTENT)
    assert (blobs.get(DIGEST), drafts(tmp_path)) == (CONTENT, [left])

    old = (tmp_path / DRAFTS / left).stat().st_mtime - DRAFT_SECONDS - 60
    os.utime(tmp_path / DRAFTS / left, (old, old))
    FileBlobs(tmp_path).put(DIGEST, CONTENT)
    assert drafts(tmp_path) == []


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    with files_of_at_most(100), pytest.raises(BlobError, match=f"^{tmp_path}: File too large$"):
        blobs.put(DIGEST, CONTENT)

    assert (blobs.get(DIGEST), drafts(tmp_path)) == (None, [])
    blobs.put(DIGEST, CONTENT)
    assert blobs.get(DIGEST) == CONTENT


def test_a_place_that_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file")
    blobs = FileBlobs(tmp_path / "blobs")
    with pytest.raises(BlobError):
        blobs.put(DIGEST, CONTENT)
    with pytest.raises(BlobError):
        blobs.get(DIGEST)


def test_nothing_else_than_a_digest_becomes_a_path(tmp_path: Path) -> None:
    for act in ("get", "has", "delete"):
        with pytest.raises(BlobError, match="is no digest"):
            getattr(FileBlobs(tmp_path), act)("../" * 21 + "x")
