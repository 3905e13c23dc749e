"""That an index is made, used and thrown away as it should: tests/storage/index/test_building.py."""

from __future__ import annotations

from pathlib import Path

from callgate.storage.index.link import one_change
from callgate.storage.index.opening import Index
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome
from fakes.writing import write


def test_index_of_another_form_is_thrown_away_and_begun_anew(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, an_outcome("c1"))
    index = Index(settings)
    with index.writing() as link:
        assert link is not None
        with one_change(link):
            link.tell("INSERT INTO search_postings VALUES (?, ?, ?, ?, ?)", [(1, 0, 5, 0, b"\0\0")])
            index.words.add(link, 1, 0, [(1 << 40, "wire")])
            link.ask("UPDATE search_facts SET value = '0'")
    with index.writing() as link:
        assert link is not None
        assert [*link.ask("SELECT * FROM search_postings")] == []
        names = [name for (name,) in link.ask("SELECT name FROM sqlite_schema")]
        assert not any(name.startswith("search_words") for name in names)
