"""The tables of the record, the same for every database; migrations/ leads up to them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)

REVISION = "0003"  # of these tables: the newest migration

metadata = MetaData()

_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite: the row's own address
# Ordered by bytes on every database, whatever its locale: prefixes are ranges.
_Word = Text().with_variant(Text(collation="C"), "postgresql")

_IS_EVENT = text("kind = 'event'")

# INVARIANT: rows are only ever added; `body` and `payload` may be emptied by retention, nothing
# else changes. These two come last: what precedes them is read without them.
records = Table(
    "records",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=False),  # audit.place: log and seq
    Column("kind", _Word, nullable=False),  # intent | outcome | event | checkpoint (in log 0)
    Column("call_id", _Word, nullable=False),
    Column("at", Double, nullable=False),  # seconds since the epoch
    Column("run", _Word),
    Column("principal", _Word),
    Column("agent", _Word),
    Column("target", _Word),
    Column("tool", _Word),
    Column("code", _Word),
    Column("ran", _Word),
    Column("is_delivered", Boolean),
    Column("hash", LargeBinary(32), nullable=False),  # of the leaf: audit.merkle.leaf_hash(body)
    Column("body", Text),  # JSON, byte for byte as hashed; NULL: erased
    Column("payload", Text),  # JSON, digest in the body; NULL: there is none, in a blob, or erased
    Index("records_call_id", "call_id"),
    Index("records_events", "code", "position", sqlite_where=_IS_EVENT),
)


@event.listens_for(records, "before_create")
def _say_the_same_to_postgresql(table: Table, connection: Connection, **_: Any) -> None:
    """Said when it is asked for: what knows of PostgreSQL takes 3 MB, and most use SQLite."""
    if connection.dialect.name == "postgresql":
        (events,) = (index for index in table.indexes if index.name == "records_events")
        events.dialect_options["postgresql"]["where"] = _IS_EVENT


# One row per log. Evidence are the checkpoints; this says who writes, and serves recovery.
logs = Table(
    "logs",
    metadata,
    # 1, 2, 3 …: log 0 has no row, for whoever holds the lock for a moment writes to it.
    Column("id", _Number, primary_key=True, autoincrement=False),
    Column("token", String(32), nullable=False, unique=True),  # of its writer now: names its lock
    Column("pid", _Number, nullable=False),  # of its writer, for people
    Column("started_at", Double, nullable=False),  # when this writer began
    Column("settled_seq", _Number, nullable=False),  # all intents before this seq have outcomes
    Column("ended_at", Double),  # set once all of its intents have outcomes
)

# What was signed. Rows are only ever added; cosignatures are added to the note.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("log", _Number, primary_key=True, autoincrement=False),
    Column("size", _Number, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("note", Text, nullable=False),  # a signed note: audit.notes
)

# The inner hashes of each log (audit.tiles), so that roots and proofs need no scan.
tiles = Table(
    "tiles",
    metadata,
    Column("log", _Number, primary_key=True, autoincrement=False),
    Column("level", _Number, primary_key=True, autoincrement=False),
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),  # 32 bytes each; on level 0 always 256 of them
)

# How far each reader that goes on later has read: exports, retention, witnesses.
cursors = Table(
    "cursors",
    metadata,
    Column("name", _Word, primary_key=True),
    Column("positions", Text, nullable=False),  # JSON; of exports: audit.questions.ExportCursor
    Column("at", Double, nullable=False),
)

# What holds for the store as a whole: `origin`, the name that its logs begin with.
store_facts = Table(
    "store_facts",
    metadata,
    Column("name", _Word, primary_key=True),
    Column("value", Text, nullable=False),
)

# Each version of the policies in the store. Rows are only ever added.
policy_versions = Table(
    "policy_versions",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),  # 1, 2, 3 … without a gap
    Column("parent", _Number, nullable=False),  # the version that it changed; 0: nothing yet
    Column("author", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at", Double, nullable=False),  # seconds since the epoch
    Column("digest", String(64), nullable=False),  # of all policies of this version
)

# What a version says of a policy. A policy it says nothing of is as it was in the version before.
policy_changes = Table(
    "policy_changes",
    metadata,
    Column("version", _Number, primary_key=True, autoincrement=False),
    Column("policy", Text, primary_key=True),
    Column("text", Text),  # NULL: it was removed
    Index("policy_changes_policy", "policy", "version"),
)
