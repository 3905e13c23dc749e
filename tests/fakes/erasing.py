"""A record with a gateway that goes on, to erase from: on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from sqlalchemy import select

from callgate.audit.findings import Verification
from callgate.audit.keys import SigningKey
from callgate.audit.record import Entry
from callgate.audit.verifying import Trust, verify
from callgate.storage.blobs.opening import blobs_of, reader_of
from callgate.storage.databases import database_of
from callgate.storage.ledger_reading import open_log
from callgate.storage.reading import Records
from callgate.storage.retention.desk import ErasingDesk
from callgate.storage.retention.erasing import Eraser
from callgate.storage.retention.settings import RetentionRule
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import key_text
from fakes.clock import FakeClock
from fakes.postgres import a_database
from fakes.small_entries import an_intent, an_outcome
from fakes.writing import an_appender

DAY = 86_400.0
NOW = 1_790_000_000.0


class Dead(Exception):  # noqa: N818 - what a test does to a process
    """The process was killed here."""


class ErasedRecord:
    """One gateway writes and signs; erasing goes on beside it."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.clock = FakeClock(NOW)
        self.appender = an_appender(settings, self.clock)
        self.dies_in = -1  # after so many appended events
        self.after_append: list[Any] = []  # callables, each for one event
        self.appended: list[Entry] = []
        self._large: dict[str, str] = {}  # call → the digest of its payload

    def write(self, *entries: Entry) -> None:
        for first in range(0, len(entries), 100):
            self.appender.write(entries[first : first + 100])
        self.sign()

    def call(
        self, call_id: str, days: float = 0, *, large: bool = False, same: str = "", **said: Any
    ) -> None:
        """A call of so many days ago, both entries of it; `large`: with its payload elsewhere."""
        at = self.clock.now() - days * DAY
        pair = [an_intent(call_id, at, same=same, **said), an_outcome(call_id, at, **said)]
        if large:
            pair[0] = self._placed(call_id, pair[0])
        self.write(*pair)

    def _placed(self, call_id: str, entry: Entry) -> Entry:
        blobs = blobs_of(self.settings)
        if blobs is None or entry.payload is None:
            return entry
        self._large[call_id] = hashlib.sha256(entry.payload).hexdigest()
        blobs.put(self._large[call_id], entry.payload)
        return replace(entry, payload=None)

    def large(self) -> dict[str, bool]:
        """Of each call whose payload lies elsewhere, whether it is there."""
        blobs = blobs_of(self.settings)
        assert blobs is not None
        return {call_id: blobs.has(digest) for call_id, digest in self._large.items()}

    def is_shared(self, call_id: str) -> bool:
        """Whether the payload that lies elsewhere is also that of another call."""
        digests = list(self._large.values())
        return call_id in self._large and digests.count(self._large[call_id]) > 1

    def sign(self) -> None:
        self.clock.advance(5)
        self.appender.tend()

    def append(self, entry: Entry) -> None:
        if self.dies_in == 0:
            raise Dead
        self.dies_in -= 1
        self.appended.append(entry)
        self.write(entry)
        if self.after_append:
            self.after_append.pop(0)()

    @property
    def desk(self) -> ErasingDesk:
        return ErasingDesk(self.settings, self.clock, self.append)

    def eraser(self) -> Eraser:
        return Eraser(self.settings, self.clock, self.append)

    def retain(self, *rules: dict[str, str]) -> int:
        found = [RetentionRule.model_validate(rule).rule for rule in rules]
        eraser = self.eraser()
        with eraser.at_work():
            return eraser.retain([(rule, rule.in_words("a while")) for rule in found])

    def verified(self) -> Verification:
        key = SigningKey.parse(key_text(self.settings).splitlines()[0]).verifier
        reader = open_log(self.settings, reader_of(self.settings))
        try:
            return verify(reader, Trust(keys=(key,)))
        finally:
            reader.close()

    def failures(self) -> list[str]:
        return [str(one) for one in self.verified().failures]

    def records(self) -> Records:
        return Records(self.settings, reader_of(self.settings))

    def left(self) -> dict[str, list[tuple[bool, bool]]]:
        """Of each call its entries: whether the body is there, whether the payload beside it."""
        found: dict[str, list[tuple[bool, bool]]] = {}
        query = select(records).where(records.c.kind.in_(("intent", "outcome")))
        with database_of(self.settings).open_to_read().connect() as connection:
            for row in connection.execute(query.order_by(records.c.position)):
                kept = row.body is not None, row.payload is not None
                found.setdefault(row.call_id, []).append(kept)
        return found

    def columns(self, call_id: str) -> list[Any]:
        query = select(records).where(records.c.call_id == call_id)
        with database_of(self.settings).open_to_read().connect() as connection:
            return list(connection.execute(query.order_by(records.c.position)))

    def close(self) -> None:
        self.appender.close()


@contextmanager
def an_erased_record(kind: str, path: Path) -> Iterator[ErasedRecord]:
    """`kind`: sqlite or postgres. Large payloads lie beside it either way."""
    if kind == "sqlite":
        made = ErasedRecord(StoreSettings(path=path / "r.db", synchronous="normal"))
        yield made
        made.close()
        return
    with a_database() as url:
        key = SigningKey.generated("callgate.example").text
        settings = StoreSettings(url=url, signing_key=key, path=path / "r.db")
        blobs = settings.blobs.model_copy(update={"path": path / "blobs"})
        made = ErasedRecord(settings.model_copy(update={"blobs": blobs}))
        yield made
        made.close()
