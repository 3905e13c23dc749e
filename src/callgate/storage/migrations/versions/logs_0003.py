"""From one chain to logs: the record as Merkle trees, one per writer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Creates the new tables. (The old rows follow.)"""
    op.drop_index("records_call_id", "records")
    op.drop_index("records_at", "records")
    op.drop_table("records")
    op.drop_table("writers")
    _create()


def _create() -> None:
    op.create_table(
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
    op.create_index("records_call_id", "records", ["call_id"])
    op.create_index("records_at", "records", ["at"])
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
