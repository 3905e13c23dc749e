"""The tables of the record, the same for every database; migrations/ leads up to them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

REVISION = "0002"  # of these tables: the newest migration

metadata = MetaData()

_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite: the row's own address

# INVARIANT: rows are only ever added. `body` comes last: what precedes it is read without it.
records = Table(
    "records",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=False),  # 1, 2, 3 … without a gap
    Column("writer", _Number, nullable=False),  # writers.id
    Column("kind", Text, nullable=False),  # intent | outcome | event
    Column("call_id", Text, nullable=False),
    Column("at", Double, nullable=False),  # seconds since the epoch
    Column("principal", Text),
    Column("agent", Text),
    Column("target", Text),
    Column("tool", Text),
    Column("code", Text),
    Column("ran", Text),
    Column("is_delivered", Boolean),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("body", Text, nullable=False),  # JSON, byte for byte as hashed
    Index("records_call_id", "call_id"),
    Index("records_at", "at"),
)

# One row per process that ever wrote. Not part of the chain: it only serves recovery.
writers = Table(
    "writers",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("token", String(32), nullable=False, unique=True),  # names its lock file
    Column("pid", _Number, nullable=False),  # for people
    Column("started_at", Double, nullable=False),
    Column("settled_seq", _Number, nullable=False),  # its intents up to here have outcomes
    Column("ended_at", Double),  # set once all of its intents have outcomes
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
