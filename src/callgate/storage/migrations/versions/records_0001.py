"""The first schema: the record and its writers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates both tables."""
    op.create_table(
        "records",
        sa.Column("seq", _number, primary_key=True, autoincrement=False),
        sa.Column("writer", _number, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("principal", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("target", sa.Text),
        sa.Column("tool", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("ran", sa.Text),
        sa.Column("is_delivered", sa.Boolean),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("records_call_id", "records", ["call_id"])
    op.create_index("records_at", "records", ["at"])
    op.create_table(
        "writers",
        sa.Column("id", _number, primary_key=True),
        sa.Column("token", sa.String(32), nullable=False, unique=True),
        sa.Column("pid", _number, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("settled_seq", _number, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
