from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.audit.notes import Note, witnessed
from callgate.ports import StoreError
from callgate.storage.cosigning import add_cosignatures
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome
from fakes.writing import write

WITNESSES = [SigningKey.generated(f"witness.example/{n}", COSIGNATURE) for n in (1, 2)]


def note_in(path: Path) -> Note:
    with closing(sqlite3.connect(path)) as connection:
        (kept,) = connection.execute("SELECT note FROM checkpoints WHERE log = 1").fetchone()
    return Note.parse(kept)


def test_what_witnesses_say_is_added_to_what_stands_there_each_once(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, an_outcome("c1"))
    before = note_in(settings.path)
    said = [witnessed(before.text, witness, 1_790_000_000) for witness in WITNESSES]
    add_cosignatures(settings, 1, 1, said[:1])
    add_cosignatures(settings, 1, 1, said)
    assert note_in(settings.path) == before.with_signatures(said)


def test_checkpoint_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, an_outcome("c1"))
    with pytest.raises(StoreError, match="no checkpoint of log 1 at 7"):
        add_cosignatures(settings, 1, 7, [])


def test_checkpoint_that_was_edited_beyond_reading_is_an_error(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, an_outcome("c1"))
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        connection.execute("UPDATE checkpoints SET note = 'nothing'")
    with pytest.raises(StoreError, match="is no note"):
        add_cosignatures(settings, 1, 1, [])
