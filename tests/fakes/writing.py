"""A gateway's life as the record sees it: it starts, writes and ends."""

from __future__ import annotations

from callgate.audit.record import Entry
from callgate.ports import Clock
from callgate.storage.appending import Appender
from callgate.storage.databases import database_of
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock


def an_appender(settings: StoreSettings, clock: Clock | None = None) -> Appender:
    """One that is open."""
    appender = Appender(settings, database_of(settings), clock or FakeClock())
    appender.open()
    return appender


def write(settings: StoreSettings, *entries: Entry) -> tuple[str, ...]:
    """One life. What it says of logs that it did not continue."""
    appender = an_appender(settings)
    for first in range(0, len(entries), 100):
        appender.write(entries[first : first + 100])
    damage = appender.damage
    appender.close()
    return damage
