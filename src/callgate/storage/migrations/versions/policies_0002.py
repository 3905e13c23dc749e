"""Policies that are kept in the store: their versions, and what each changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates both tables."""
    op.create_table(
        "policy_versions",
        sa.Column("number", _number, primary_key=True, autoincrement=False),
        sa.Column("parent", _number, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "policy_changes",
        sa.Column("version", _number, primary_key=True, autoincrement=False),
        sa.Column("policy", sa.Text, primary_key=True),
        sa.Column("text", sa.Text),
    )
    op.create_index("policy_changes_policy", "policy_changes", ["policy", "version"])
