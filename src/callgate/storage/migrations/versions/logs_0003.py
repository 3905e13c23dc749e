"""From one chain to logs: the record as Merkle trees, one for each writer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from callgate.audit.frontier import Frontier
from callgate.audit.merkle import leaf_hash
from callgate.audit.place import position
from callgate.audit.record import column
from callgate.ports import StoreError
from callgate.storage.migrations.chain import GENESIS, Linked, fault

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CARRIED_OVER = "chain_carried_over"  # as storage.facts has it
FIRST_LOG = 1
CHUNK = 500  # rows at once

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Creates the new tables; what the chain held becomes the first log, in its order.

    Raises StoreError where the chain does not hold: with new hashes over it, nobody could show
    any more that it was tampered with.
    """
    op.drop_index("records_call_id", "records")
    op.drop_index("records_at", "records")
    op.rename_table("records", "chain")
    records = _create()
    _carry_over(op.get_bind(), records)
    op.create_index("records_call_id", "records", ["call_id"])
    is_event = sa.text("kind = 'event'")
    op.create_index(
        "records_events",
        "records",
        ["code", "position"],
        sqlite_where=is_event,
        postgresql_where=is_event,
    )
    op.drop_table("chain")
    op.drop_table("writers")


def _carry_over(connection: sa.Connection, records: sa.Table) -> None:
    frontier, head, rows = Frontier(), GENESIS, []
    for row in _chain(connection):
        reason = fault(row, frontier.size + 1, head)
        if reason is not None:
            raise StoreError(
                f"the record cannot be brought up to date, for it does not hold: at record "
                f"{row.seq} {reason}. Nothing was changed. Keep this file as it is, for whoever "
                "looks into it, and point store.path at another one to begin a new record"
            )
        hashed = leaf_hash(row.body)
        rows.append(_carried(row, position(FIRST_LOG, frontier.size), hashed))
        frontier.append(hashed)
        head = row.hash
        if len(rows) == CHUNK:
            connection.execute(sa.insert(records), rows)
            rows = []
    if rows:
        connection.execute(sa.insert(records), rows)
    if frontier.size:
        _begin_log(connection, frontier)
        said = msgspec.json.encode({"records": frontier.size, "head": head}).decode()
        facts = sa.table("store_facts", sa.column("name"), sa.column("value"))
        connection.execute(sa.insert(facts).values(name=CARRIED_OVER, value=said))


def _chain(connection: sa.Connection) -> Iterator[Linked]:
    query = sa.text("SELECT * FROM chain ORDER BY seq")
    result = connection.execute(query, execution_options={"yield_per": CHUNK})
    for row in result.mappings():
        yield Linked.read(row)


def _carried(row: Linked, place: int, hashed: bytes) -> dict[str, Any]:
    kept = row.columns
    texts = {name: column(kept[name]) for name in ("principal", "agent", "target", "tool", "code")}
    same = {name: kept[name] for name in ("kind", "call_id", "at", "ran")}
    is_delivered = None if kept["is_delivered"] is None else bool(kept["is_delivered"])
    return {
        "position": place,
        "hash": hashed,
        "body": row.body.decode(),
        "is_delivered": is_delivered,
        **same,
        **texts,
    }


def _begin_log(connection: sa.Connection, frontier: Frontier) -> None:
    """Its writer is nobody: whoever starts may take it, and looks at what old writers left open."""
    tiles = sa.table("tiles", *map(sa.column, ("log", "level", "number", "hashes")))
    for tile in frontier.take_tiles():
        connection.execute(
            sa.insert(tiles).values(
                log=FIRST_LOG, level=tile.level, number=tile.number, hashes=tile.hashes
            )
        )
    open_from = sa.text(
        "SELECT min(settled_seq), min(started_at) FROM writers WHERE ended_at IS NULL"
    )
    settled, started_at = connection.execute(open_from).one()
    logs = sa.table(
        "logs",
        *map(sa.column, ("id", "token", "pid", "started_at", "settled_seq", "ended_at")),
    )
    connection.execute(
        sa.insert(logs).values(
            id=FIRST_LOG,
            token="0" * 32,
            pid=0,
            started_at=started_at or 0.0,
            settled_seq=frontier.size if settled is None else settled,
            ended_at=0.0 if settled is None else None,
        )
    )


def _create() -> sa.Table:
    records = op.create_table(
        "records",
        sa.Column("position", _number, primary_key=True, autoincrement=False),
        sa.Column("kind", _word, nullable=False),
        sa.Column("call_id", _word, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("run", _word),
        sa.Column("principal", _word),
        sa.Column("agent", _word),
        sa.Column("target", _word),
        sa.Column("tool", _word),
        sa.Column("code", _word),
        sa.Column("ran", _word),
        sa.Column("is_delivered", sa.Boolean),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("payload", sa.Text),
    )
    op.create_table(
        "logs",
        sa.Column("id", _number, primary_key=True, autoincrement=False),
        sa.Column("token", sa.String(32), nullable=False, unique=True),
        sa.Column("pid", _number, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("settled_seq", _number, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    op.create_table(
        "checkpoints",
        sa.Column("log", _number, primary_key=True, autoincrement=False),
        sa.Column("size", _number, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "tiles",
        sa.Column("log", _number, primary_key=True, autoincrement=False),
        sa.Column("level", _number, primary_key=True, autoincrement=False),
        sa.Column("number", _number, primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "cursors",
        sa.Column("name", _word, primary_key=True),
        sa.Column("positions", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "store_facts",
        sa.Column("name", _word, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    return records
