"""What holds for the record as a whole: its name, and what it was before there were logs."""

from __future__ import annotations

import secrets

import msgspec
from sqlalchemy import Connection, delete, insert, select

from callgate.audit.event import event
from callgate.audit.record import Entry
from callgate.model import Json
from callgate.ports import StoreError
from callgate.storage.schema import store_facts
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import key_name

ORIGIN = "origin"
MOVED_TO = "moved_to"  # another database goes on with it
CARRIED_OVER = "chain_carried_over"  # until the event says it; also that event's name


def origin_in(connection: Connection) -> str | None:
    """The name that the origins of its logs begin with; None where the record has not begun."""
    return fact(connection, ORIGIN)


def origin_of(connection: Connection, settings: StoreSettings) -> str:
    """The same; where it has none it gets one. In a transaction. Raises StoreError."""
    refuse_moved(connection)
    found = origin_in(connection)
    if found is None:
        # A record that begins anew beside the old key is the same one to who verifies it.
        new = f"callgate.dev/{secrets.token_hex(8)}"
        found = settings.origin or key_name(settings) or new
        state(connection, ORIGIN, found)
    elif settings.origin not in (None, found):
        raise StoreError(
            f"the record is {found}, store.origin says {settings.origin}: "
            "a record keeps its origin; leave the setting out, or begin a new record"
        )
    return found


def refuse_moved(connection: Connection) -> None:
    """What goes on in two places is two records. Raises StoreError."""
    place = fact(connection, MOVED_TO)
    if place is not None:
        raise StoreError(f"the record was moved to {place}: nothing is written here any more")


def carried_over(connection: Connection, at: float) -> list[Entry]:
    """The event that says what the first log goes back to, once. In a transaction."""
    said = fact(connection, CARRIED_OVER)
    if said is None:
        return []
    connection.execute(delete(store_facts).where(store_facts.c.name == CARRIED_OVER))
    told: dict[str, Json] = msgspec.json.decode(said)
    return [event(CARRIED_OVER, at, told)]


def fact(connection: Connection, name: str) -> str | None:
    """None where nothing is said."""
    query = select(store_facts.c.value).where(store_facts.c.name == name)
    value: str | None = connection.execute(query).scalar()
    return value


def state(connection: Connection, name: str, value: str) -> None:
    """Says it for the first time. In a transaction."""
    connection.execute(insert(store_facts).values(name=name, value=value))
