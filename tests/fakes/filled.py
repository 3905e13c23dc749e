"""A record in a real SQLite file, written as a gateway writes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from callgate.audit.record import Entry
from callgate.storage.appending import GROUP, Appender
from callgate.storage.databases import database_of
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock


def fill(path: Path, entries: Iterable[Entry], *, per_checkpoint: int = 50) -> StoreSettings:
    """A gateway that writes the entries, signs after each so many, and stops in good order."""
    settings = StoreSettings(path=path, synchronous="normal")
    clock = FakeClock()
    appender = Appender(settings, database_of(settings), clock)
    appender.open()
    every = list(entries)
    for first in range(0, len(every), min(per_checkpoint, GROUP)):
        appender.write(every[first : first + min(per_checkpoint, GROUP)])
        clock.advance(settings.checkpoint_seconds)
        appender.tend()
    appender.close()
    return settings
