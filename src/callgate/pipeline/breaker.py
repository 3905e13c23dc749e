"""A circuit breaker and a bound on concurrency: who keeps failing is left alone for a while."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field


class CircuitOpenError(Exception):
    """The interceptor failed too often lately; it is left alone for a while."""


@dataclass(slots=True)
class Breaker:
    """Closed: asked. Open: not asked until `seconds` have passed. Then one trial decides.

    | state | asked | succeeded | failed |
    |---|---|---|---|
    | closed | yes | closed | open after `failures` in a row |
    | open | no; after `seconds` half-open | – | – |
    | half-open | one at a time | closed | open |
    """

    failures: int = 5  # in a row; 0: never opens
    seconds: float = 30.0
    _failed: int = 0
    _opened_at: float | None = None  # ticks
    _is_trying: bool = False

    def admit(self, now: float) -> None:
        """Raises CircuitOpenError where it must not be asked now."""
        if self._opened_at is None:
            return
        if now - self._opened_at < self.seconds or self._is_trying:
            raise CircuitOpenError(f"it failed {self._failed} times in a row and is left alone")
        self._is_trying = True

    def succeeded(self) -> None:
        """It answered."""
        if self._failed or self._is_trying:
            self._failed, self._opened_at, self._is_trying = 0, None, False

    def failed(self, now: float) -> None:
        """It raised, hung or returned junk."""
        self._failed += 1
        self._is_trying = False
        if self.failures and self._failed >= self.failures:
            self._opened_at = now

    def gave_up(self) -> None:
        """Nobody waits for the answer any more: it says nothing about the interceptor."""
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether it is left alone now, or being tried again."""
        return self._opened_at is not None


@dataclass(slots=True)
class Gate:
    """One interceptor's breaker, and how many calls it may look at at once, first come first."""

    most: int = 64
    breaker: Breaker = field(default_factory=Breaker)
    _taken: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    def try_enter(self) -> bool:
        """Takes a place, where one is free."""
        if self._taken >= self.most:
            return False
        self._taken += 1
        return True

    async def enter(self) -> None:
        """Waits for a place."""
        if self.try_enter():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # it came, and nobody is here to take it
            raise

    def leave(self) -> None:
        """Gives the place to who has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken -= 1

    @property
    def is_full(self) -> bool:
        """Whether one would have to wait."""
        return self._taken >= self.most
