"""What the record knows already of what its entries refer to: each is written down once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from callgate.audit.record import Entry
from callgate.model import Principal, Tool
from callgate.ports import CallStore

MOST = 32_768  # remembered; what is forgotten is recorded once more when it is next referred to
MOST_COVERED = 8192

Standing = tuple[str, Callable[[], Entry]]


class Definitions:
    """Of one process and its store. Outlives reloads: the log goes on."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._durable: OrderedDict[str, None] = OrderedDict()
        self._queued: OrderedDict[str, None] = OrderedDict()
        self._pending: dict[str, asyncio.Event] = {}
        self._forgotten = 0  # times
        # By the identity of what each one holds: that it is the same is found out without a name.
        self._covered: dict[
            tuple[int, int], tuple[Principal | None, Tool | None, Standing | None]
        ] = {}
        self.standing: Standing | None = None  # what every call refers to

    def has(self, identifier: str) -> bool:
        """Whether it is in the record, durably."""
        if identifier not in self._durable:
            return False
        self._durable.move_to_end(identifier)
        return True

    def covers(self, principal: Principal | None, tool: Tool | None) -> bool:
        """Whether all that a call of these refers to is known to be in the record, durably."""
        found = self._covered.get((id(principal), id(tool)))
        if found is None:
            return False
        of, at, standing = found
        return of is principal and at is tool and standing is self.standing

    def cover(
        self, principal: Principal | None, tool: Tool | None, identifiers: Iterable[str]
    ) -> None:
        """Calls of these refer to what is named, and to what stands: remembered if all is there."""
        standing = self.standing
        if not all(map(self.has, identifiers)):
            return
        if standing is not None and not self.has(standing[0]):
            return
        if len(self._covered) >= MOST_COVERED:
            self._covered.clear()
        self._covered[id(principal), id(tool)] = principal, tool, standing

    async def define(self, identifier: str, make: Callable[[], Entry], store: CallStore) -> None:
        """Returns when it is in the record. Raises StoreError.

        INVARIANT: no intent is durable before what it refers to.
        """
        while not self.has(identifier):
            pending = self._pending.get(identifier)
            if pending is not None:  # somebody else writes it: many begin with the same tool
                await pending.wait()
                continue
            self._pending[identifier] = asyncio.Event()
            forgotten = self._forgotten
            try:
                await store.append(make())
                if forgotten == self._forgotten:
                    self._keep(self._durable, identifier)
            finally:
                self._pending.pop(identifier).set()

    def define_soon(self, identifier: str, make: Callable[[], Entry], store: CallStore) -> None:
        """Queues it, unless it is in the record or will be. Raises StoreError."""
        if self.has(identifier) or identifier in self._queued:
            return
        store.append_soon(make())
        self._keep(self._queued, identifier)

    def forget(self, start: str = "") -> None:
        """What begins so is recorded once more when it is next referred to.

        After a fault of the store: who knows whether it is the one that it was before. And where
        descriptions are erased.
        """
        self._forgotten += 1
        self._covered.clear()
        for known in (self._durable, self._queued):
            for identifier in [one for one in known if one.startswith(start)]:
                del known[identifier]

    def _keep(self, known: OrderedDict[str, None], identifier: str) -> None:
        known[identifier] = None
        if len(known) > self._most:
            known.popitem(last=False)
            self._covered.clear()
