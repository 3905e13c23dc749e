"""Today's schema in a database that has none: without the way there, which Alembic would go."""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect

from callgate.storage.schema import REVISION, metadata

# As Alembic makes it: it goes on from here.
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def begin(connection: Connection) -> None:
    """All tables or none, in one transaction; nothing where another process was first.

    0.3 s and 10 MB less than the migrations, which tests hold against this.
    """
    with connection.begin():
        if inspect(connection).has_table(_version.name):
            return
        metadata.create_all(connection, checkfirst=False)
        _version.create(connection, checkfirst=False)
        connection.execute(_version.insert().values(version_num=REVISION))
