"""Records in which something is not any more that entries refer to."""

from __future__ import annotations

from sqlalchemy import update

from callgate.storage.databases import database_of
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings


def lose_descriptions(settings: StoreSettings) -> None:
    """As erasing leaves the claims of all principals; the entries that refer to them stay."""
    connection = database_of(settings).open_to_write(may_create=False)
    where = records.c.code == "principal_described"
    connection.execute(update(records).where(where).values(body=None, payload=None))
    connection.commit()
    connection.close()
