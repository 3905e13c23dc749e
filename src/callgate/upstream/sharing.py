"""What is kept per share key: made once, never used under another key, ended when idle."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from callgate.upstream.tasks import Closed, Tasks, join

IDLE_SECONDS = 1800.0
CLOSE_SECONDS = 10.0
MAX_ENDING = 64  # how many are ended at a time: each may take a connection


class Shareable(Protocol):
    """Something kept for a key: a session, a child process."""

    used_at: float

    @property
    def calls(self) -> int:
        """In flight: while there are any, it is not ended."""


T = TypeVar("T", bound=Shareable)


class Full(Exception):  # noqa: N818 - says what is so
    """As many as may be are in use."""


class Shared(Generic[T]):
    """One T per key.

    INVARIANT: what was made under one key is never handed out under another.
    """

    def __init__(
        self,
        make: Callable[[str], Awaitable[T]],
        end: Callable[[T], Coroutine[Any, Any, None]],
        ticks: Callable[[], float],
        *,
        most: int,
    ) -> None:
        self._make = make
        self._end = end
        self._ticks = ticks
        self._most = most
        self._tasks = Tasks()
        self._kept: OrderedDict[str, T] = OrderedDict()  # least recently used first
        self._making: dict[str, asyncio.Task[T]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._places = asyncio.Semaphore(MAX_ENDING)

    def peek(self, key: str) -> T | None:
        """What is kept for this key, without making or touching it."""
        return self._kept.get(key)

    def all(self) -> tuple[T, ...]:
        """All that are kept now."""
        return tuple(self._kept.values())

    async def get(self, key: str, make: Callable[[], Awaitable[T]] | None = None) -> T:
        """What is kept for this key. Who comes while it is being made waits for that one.

        `make`: how to make this one. Raises Full, Closed and what making it raises.
        """
        one = self._kept.get(key)
        if one is None:
            making = self._making.get(key)
            if making is None:
                self._make_room()
                making = self._start(key, make)
            one = await join(making)
        one.used_at = self._ticks()
        if key in self._kept:
            self._kept.move_to_end(key)
        return one

    async def replace(self, key: str, old: T, make: Callable[[], Awaitable[T]]) -> T:
        """What takes the place of `old`, made once however many ask; `old` stays until then.

        Raises as `get` does, and Closed where it was ended meanwhile.
        """
        if key not in self._kept:
            raise Closed("the session was ended")
        if self._kept[key] is not old:
            return await self.get(key)
        making = self._making.get(key) or self._start(key, make)
        return await join(making)

    def _start(self, key: str, make: Callable[[], Awaitable[T]] | None) -> asyncio.Task[T]:
        making = self._making[key] = self._tasks.start(self._keep(key, make), "sharing")
        making.add_done_callback(lambda _: self._making.pop(key, None))
        return making

    async def _keep(self, key: str, make: Callable[[], Awaitable[T]] | None) -> T:
        one = await (make() if make is not None else self._make(key))
        one.used_at = self._ticks()
        self._kept[key] = one
        if self._timer is None:
            self._schedule()
        return one

    def _make_room(self) -> None:
        if len(self._kept) + len(self._making) < self._most:
            return
        for key, one in self._kept.items():
            if not one.calls:
                del self._kept[key]
                self._tasks.start(self._end_in_turn(one), "ending the longest idle")
                return
        raise Full(f"{self._most} sessions are in use")

    def drop(self, key: str, one: T) -> None:
        """Forgets what is of no use any more, without ending it."""
        if self._kept.get(key) is one:
            del self._kept[key]

    async def release(self, key: str) -> None:
        """Ends what is kept for this key, also if it is in use or still being made."""
        making = self._making.get(key)
        if making is not None:
            await asyncio.wait([making])
        one = self._kept.pop(key, None)
        if one is not None:
            await self._end_in_turn(one)

    async def _end_in_turn(self, one: T) -> None:
        async with self._places:
            await self._end(one)

    def expire(self) -> None:
        """Ends what nobody used for IDLE_SECONDS."""
        oldest = self._ticks() - IDLE_SECONDS
        for key, one in tuple(self._kept.items()):
            if one.used_at <= oldest and not one.calls:
                del self._kept[key]
                self._tasks.start(self._end_in_turn(one), "ending the idle")
        self._schedule()

    def _schedule(self) -> None:
        self._timer = None
        if self._kept:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(IDLE_SECONDS / 2, self.expire)

    async def close(self) -> None:
        """Ends all, each in its own way, within CLOSE_SECONDS."""
        if self._timer is not None:
            self._timer.cancel()
        kept = tuple(self._kept.values())
        self._kept.clear()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*map(self._end_in_turn, kept), return_exceptions=True)
        except TimeoutError:
            pass
        finally:
            await self._tasks.close()
