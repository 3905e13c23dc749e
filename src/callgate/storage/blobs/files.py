"""Large payloads as files for their owner only: `ab/abcd…`, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from callgate.storage.blobs.blob_store import BlobError, checked_content, checked_digest

DRAFTS = "drafts"
ASIDE = "aside"
DRAFT_SECONDS = 86_400.0  # a draft that nobody has finished by then is of a process that died


class FileBlobs:
    """Implements BlobStore in one directory, which is made when it is first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._is_swept = False

    @property
    def place(self) -> str:
        """The directory."""
        return str(self._directory)

    def put(self, digest: str, content: bytes) -> None:
        """Returns when the file and its name are on the disk. BlobError."""
        path = self._path(digest)
        try:
            self._make(self._directory, path.parent, self._directory / DRAFTS)
            self._sweep()
            if self._kept(path) != content:  # a file that is not what its name says: anew
                self._write(path, content)
            _sync(path.parent)
        except OSError as error:
            raise self._fault(error) from None

    def get(self, digest: str) -> bytes | None:
        """The content; None where there is no file. BlobError where it is another."""
        content = self.raw(digest)
        return None if content is None else checked_content(self.place, digest, content)

    def raw(self, digest: str) -> bytes | None:
        """What is in the file; None where there is none. BlobError."""
        try:
            for path in self._places(digest):
                content = self._kept(path)
                if content is not None:
                    return content
            return None
        except OSError as error:
            raise self._fault(error) from None

    def has(self, digest: str) -> bool:
        """Whether there is a file."""
        return any(path.is_file() for path in self._places(digest))

    def is_in_place(self, digest: str) -> bool:
        """Whether there is a file of this very name."""
        return self._path(digest).is_file()

    def set_aside(self, digest: str) -> None:
        """Gives the file another name. BlobError."""
        self._move(self._path(digest), self._aside(digest))

    def put_back(self, digest: str) -> None:
        """Gives it its name again, over the same that was put meanwhile. BlobError."""
        self._move(self._aside(digest), self._path(digest))

    def delete(self, digest: str) -> None:
        """Returns when the name is gone from the disk. BlobError."""
        path = self._aside(digest)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync(path.parent)
        except OSError as error:
            raise self._fault(error) from None

    def close(self) -> None:
        """Nothing is open."""

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / checked_digest(digest)

    def _aside(self, digest: str) -> Path:
        return self._directory / ASIDE / checked_digest(digest)

    def _places(self, digest: str) -> tuple[Path, ...]:
        """Where it may be: looked at in this order, a file that is moved meanwhile is found."""
        path = self._path(digest)
        return path, self._aside(digest), path

    def _move(self, path: Path, to: Path) -> None:
        try:
            if not path.is_file():
                return
            self._make(self._directory, to.parent)
            path.replace(to)
            _sync(to.parent)
            _sync(path.parent)
        except OSError as error:
            raise self._fault(error) from None

    def _make(self, *directories: Path) -> None:
        for directory in directories:
            if not directory.is_dir():
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync(directory.parent)

    def _write(self, path: Path, content: bytes) -> None:
        draft = self._directory / DRAFTS / f"{path.name}.{secrets.token_hex(4)}"
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            draft.replace(path)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise

    def _kept(self, path: Path) -> bytes | None:
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return None
        with open(handle, "rb") as file:
            return file.read()

    def _sweep(self) -> None:
        """Once: takes away what processes left that died in the middle of writing."""
        if self._is_swept:
            return
        self._is_swept = True
        drafts = self._directory / DRAFTS
        probe = drafts / f"now.{secrets.token_hex(4)}"  # the file system's own time
        probe.touch(mode=0o600)
        now = probe.stat().st_mtime
        for draft in (probe, *drafts.iterdir()):
            with suppress(FileNotFoundError):
                if draft == probe or now - draft.stat().st_mtime > DRAFT_SECONDS:
                    draft.unlink()

    def _fault(self, error: OSError) -> BlobError:
        return BlobError(f"{self._directory}: {error.strerror or type(error).__name__}")


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
