"""The tables of the index. All of them can be dropped: they are made anew from the record."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Integer, LargeBinary, MetaData, Table, Text

FORM = "1"  # of these tables and of what is in them; another one is thrown away

metadata = MetaData()

_Number = BigInteger().with_variant(Integer, "sqlite")

# Each block that is indexed: BLOCK records of a log, from number * BLOCK on.
blocks = Table(
    "search_blocks",
    metadata,
    Column("log", _Number, primary_key=True, autoincrement=False),
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("last_hash", LargeBinary, nullable=False),  # of its last record: of which record it is
    Column("least_at", Double),  # of its outcomes; NULL: there is none
    Column("most_at", Double),
    Column("calls", LargeBinary, nullable=False),  # the places of its outcomes: bits.packed
    Column("has_words", Integer, nullable=False),  # 1: what is said in it can be searched
    sqlite_with_rowid=False,
)

# In which places of a block a fact holds. A block's rows lie together: blocks are added at the end.
postings = Table(
    "search_postings",
    metadata,
    Column("log", _Number, primary_key=True, autoincrement=False),
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("key", _Number, primary_key=True, autoincrement=False),  # keys.key: 32 bits
    Column("places", LargeBinary, nullable=False),  # bits.packed
    sqlite_with_rowid=False,
)

# Intents whose outcome is not in the same block: they may be of calls still in flight.
spans = Table(
    "search_spans",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=False),
    Column("call_id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("outcome", _Number),  # its position; NULL: not met yet
    sqlite_with_rowid=False,
)

# Who called, as last seen in a block that is indexed.
principals = Table(
    "search_principals",
    metadata,
    Column("key", _Number, primary_key=True, autoincrement=False),  # of all that parts them
    Column("position", _Number, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

# `form`: FORM. `erased`: up to which position events of deletions were taken in, for each log.
facts = Table(
    "search_facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
