"""The tables of the index. All of them can be dropped: they are made anew from the record."""

from __future__ import annotations

from callgate.storage.index.link import Link, SqliteLink

FORM = "3"  # of these tables and of what is in them; another one is thrown away

SHELF = 16  # blocks: the rows of a key within so many lie together

_TABLES = {
    # Each block that is indexed: BLOCK records of a log, from number * BLOCK on.
    "search_blocks": """
        log {number} NOT NULL, number {number} NOT NULL,
        last_hash {bytes} NOT NULL, -- of its last record: of which record it is
        least_at {instant}, most_at {instant}, -- of its outcomes; NULL: there is none
        has_words INTEGER NOT NULL, -- 1: what is said in it can be searched
        calls {bytes} NOT NULL, -- the places of its outcomes: bits.packed
        PRIMARY KEY (log, number)""",
    # In which places of a block a fact holds. Shelves are added at the end; within one the rows of
    # a key lie together, so that what is rare or nowhere is one look for each shelf.
    "search_postings": """
        log {number} NOT NULL, shelf {number} NOT NULL, -- number / SHELF
        key {number} NOT NULL, -- keys.key: 32 bits, or that of lists
        number {number} NOT NULL, places {bytes} NOT NULL, -- bits.packed
        PRIMARY KEY (log, shelf, key, number)""",
    # Intents whose outcome is not in the same block: they may be of calls still in flight.
    "search_spans": """
        position {number} NOT NULL, call_id TEXT NOT NULL, at {instant} NOT NULL,
        outcome {number}, -- its position; NULL: not met yet
        PRIMARY KEY (position)""",
    # Who called, as last seen in a block that is indexed.
    "search_principals": """
        key {number} NOT NULL, -- of all that parts them: gist.principal_key
        position {number} NOT NULL, at {instant} NOT NULL,
        PRIMARY KEY (key)""",
    # `form`: FORM. `erased`: up to which position events of deletions were taken in, for each log.
    # `unreadable`: the position of one that could not be.
    "search_facts": """
        name TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (name)""",
}
TABLES = tuple(_TABLES)
_POSTGRES = {"number": "BIGINT", "bytes": "BYTEA", "instant": "DOUBLE PRECISION"}
_SQLITE = {"number": "INTEGER", "bytes": "BLOB", "instant": "DOUBLE"}


def create(index: Link) -> None:
    """Makes the tables that are not there."""
    for name in TABLES:
        _create(index, name)


def create_facts(index: Link) -> None:
    """Makes the one that tells the form, if it is not there."""
    _create(index, "search_facts")


def _create(index: Link, name: str) -> None:
    is_file = isinstance(index, SqliteLink)
    columns = _TABLES[name].format_map(_SQLITE if is_file else _POSTGRES)
    without = " WITHOUT ROWID" if is_file else ""
    index.ask(f"CREATE TABLE IF NOT EXISTS {name} ({columns}){without}")


def drop(index: Link) -> None:
    """Takes all of them away."""
    for name in TABLES:
        index.ask(f"DROP TABLE IF EXISTS {name}")


def form(index: Link) -> str | None:
    """The form that the tables say they have. Fails where there are none."""
    row = next(iter(index.ask("SELECT value FROM search_facts WHERE name = 'form'")), None)
    return None if row is None else str(row[0])
