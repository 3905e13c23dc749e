"""The index of a SQLite record: a file of its own beside it, kept with as few modules as can be."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from callgate.ports import StoreError
from callgate.storage.blobs.files import FileBlobs
from callgate.storage.index.building import Builder
from callgate.storage.index.link import Link, SqliteLink, one_change
from callgate.storage.index.schema import FORM, create, create_facts, drop, form
from callgate.storage.index.words import Words
from callgate.storage.index.words_sqlite import SqliteWords
from callgate.storage.liveness import FileLife

SUFFIX = "-search"  # of the file beside that of the record
BUSY_SECONDS = 5.0
ERRORS = (sqlite3.Error, OSError)


def file_of(path: Path) -> Path:
    """Where the index of the record at this path is."""
    return path.with_name(path.name + SUFFIX)


def catch_up(path: Path, blobs: Path, most: int) -> int:
    """As `Records.catch_up`. Raises StoreError."""
    with _record(path) as record, writing(path) as index:
        if index is None:
            return 0
        return Builder(record, index, SqliteWords(), FileBlobs(blobs).raw).catch_up(most)


@contextmanager
def _record(path: Path) -> Iterator[Link]:
    try:
        with closing(_connect(path, "ro")) as bare:
            # What was tampered with must be readable to be named.
            bare.text_factory = lambda raw: raw.decode(errors="replace")
            yield SqliteLink(bare)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error


@contextmanager
def reading(path: Path) -> Iterator[Link | None]:
    """None where there is none that can be used."""
    file = file_of(path)
    bare = None
    if file.is_file():
        with suppress(*ERRORS):
            bare = _connect(file, "ro")
    if bare is None:
        yield None
        return
    with closing(bare):
        index = SqliteLink(bare)
        yield index if _has_form(index) else None


def _has_form(index: Link) -> bool:
    try:
        return form(index) == FORM
    except ERRORS:  # damaged, or in the making
        return False


@contextmanager
def writing(path: Path) -> Iterator[Link | None]:
    """Made where it is not there or cannot be used; None while another writes to it. StoreError."""
    file = file_of(path)
    try:
        life = FileLife.claim(path, "search")
        if life is None:
            yield None
            return
        try:
            with _writable(file) as index:
                prepare(index, SqliteWords())
                yield index
        finally:
            life.end()
    except ERRORS as error:
        raise StoreError(
            f"{file} cannot be used ({error}); it may be deleted, it is made anew"
        ) from error


@contextmanager
def _writable(file: Path) -> Iterator[Link]:
    # What is found there is from arguments: nobody else's business. SQLite gives -wal and -shm the
    # same mode. O_EXCL: closing an existing file would drop SQLite's locks on it.
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(_connect(file, "rw")) as bare:
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = NORMAL")
        bare.execute("PRAGMA secure_delete = ON")  # what was erased is not left in free pages
        yield SqliteLink(bare)


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(file.absolute()))}?mode={mode}"
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def prepare(index: Link, words: Words) -> None:
    """Makes the tables where they are not there, or not of this form."""
    create_facts(index)
    if form(index) == FORM:
        return
    with one_change(index):
        words.drop(index)
        drop(index)
        create(index)
        words.create(index)
        index.ask("INSERT INTO search_facts VALUES ('form', ?)", (FORM,))
