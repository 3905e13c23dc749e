"""What operators have held and erased, under their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from callgate.audit.holds import Hold, hold_placed, hold_released
from callgate.audit.record import Entry
from callgate.audit.retaining import Kept, Tally
from callgate.audit.selecting import Selector
from callgate.ports import Clock
from callgate.storage.databases import alone_in, database_of, faults_of
from callgate.storage.retention.erasing import Eraser
from callgate.storage.retention.reading import read_holds
from callgate.storage.settings import StoreSettings


class ErasingDesk:
    """Blocking. `append` records an event durably; `forget`: see Eraser."""

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        append: Callable[[Entry], None],
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._append = append
        self._forget = forget

    def holds(self) -> Sequence[Hold]:
        """Those in force. StoreError."""
        database = database_of(self._settings)
        with faults_of(database), database.open_to_read().connect() as connection:
            return read_holds(connection)[0]

    def place(self, selector: Selector, reason: str, author: str) -> Hold:
        """When it returns, nothing that the hold covers is erased any more. StoreError."""
        entry = hold_placed(selector, reason, author, self._clock.now())
        self._append(entry)
        with alone_in(database_of(self._settings)):
            pass  # whoever was erasing without knowing of it has ended
        return next(hold for hold in self.holds() if hold.id == entry.call_id)

    def release(self, hold: str, reason: str, author: str) -> Hold | None:
        """By its id, or the beginning of it; None where there is not exactly one. StoreError."""
        found = [one for one in self.holds() if one.id.startswith(hold)]
        if len(found) != 1:
            return None
        self._append(hold_released(found[0].id, reason, author, self._clock.now()))
        return found[0]

    def count(self, selector: Selector, kept: Kept) -> Tally:
        """What `erase` would do. StoreError."""
        return self._eraser().count(selector, kept)

    def erase(self, selector: Selector, kept: Kept, reason: str, author: str) -> Tally:
        """Returns when it is gone. BusyError; StoreError."""
        eraser = self._eraser()
        with eraser.at_work():
            return eraser.erase(selector, kept, {"reason": reason, "author": author})

    def _eraser(self) -> Eraser:
        return Eraser(self._settings, self._clock, self._append, forget=self._forget)
