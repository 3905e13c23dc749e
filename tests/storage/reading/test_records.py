"""What belongs to no database: tests/contracts/test_records.py has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.audit.searching import SearchError
from callgate.ports import CallFilter, RecordReader, StoreError
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome
from fakes.writing import write


def test_records_are_what_the_rest_may_ask(tmp_path: Path) -> None:
    reader: RecordReader = Records(StoreSettings(path=tmp_path / "r.db"))
    with pytest.raises(StoreError, match="there is no record"):
        reader.heads()


def test_search_that_is_none_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SearchError):
        Records(StoreSettings(path=tmp_path / "none.db")).calls(CallFilter(text="***"))


def test_damaged_file_is_an_error(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, *(an_outcome(f"c{number}") for number in range(300)))
    content = bytearray(settings.path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    settings.path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        list(Records(settings).scan({}))
