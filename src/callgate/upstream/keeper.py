"""Keeps one child process running: starts it, waits out its failures, starts it again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from callgate.model import Era
from callgate.upstream.faults import Unreachable
from callgate.upstream.tasks import Closed, Tasks

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0
HEALTHY_SECONDS = 60.0

_log = logging.getLogger("callgate.upstream")


class Backoff:
    """How long to wait before the next start: doubling, forgotten after some time in health."""

    def __init__(self, healthy_seconds: float = HEALTHY_SECONDS) -> None:
        self._healthy_seconds = healthy_seconds
        self._next = FIRST_SECONDS

    def after(self, lived_seconds: float) -> float:
        """The pause after a child that lived so long."""
        if lived_seconds >= self._healthy_seconds:
            self._next = FIRST_SECONDS
        pause = self._next
        self._next = min(pause * 2, MOST_SECONDS)
        return pause


class Link(Protocol):
    """An open way to a target."""

    is_alive: bool
    has_died: asyncio.Event
    end_reason: str

    @property
    def era(self) -> Era | None:
        """The era that is spoken on it."""

    async def close(self) -> None:
        """Ends it, and what is behind it."""


L = TypeVar("L", bound=Link)


class Keeper(Generic[L]):
    """One child process or connection, for as long as it is wanted.

    `launch` starts it and opens its link, given the era that was spoken last time; it raises
    Unreachable. While `is_eager` says so it is started again at once, else when somebody asks.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[Era | None], Awaitable[L]],
        ticks: Callable[[], float],
        *,
        is_eager: Callable[[], bool],
        hint: Era | None = None,
        healthy_seconds: float = HEALTHY_SECONDS,
    ) -> None:
        self.detail = "not started yet"
        self._name = name
        self._launch = launch
        self._ticks = ticks
        self._is_eager = is_eager
        self._hint = hint
        self._backoff = Backoff(healthy_seconds)
        self._wanted = asyncio.Event()
        self._next: asyncio.Future[L] = asyncio.get_running_loop().create_future()
        self._current: L | None = None
        self._tasks = Tasks()
        self._running = self._tasks.start(self._run(), f"keeping {name}")

    @property
    def era(self) -> Era | None:
        """The era of the running child; None while there is none."""
        link = self.current
        return link.era if link is not None else None

    @property
    def current(self) -> L | None:
        """The link to the running child, without waiting for one."""
        link = self._current
        return link if link is not None and link.is_alive else None

    @property
    def hint(self) -> Era | None:
        """The era that was spoken last time; None where that is not known."""
        return self.era or self._hint

    async def link(self) -> L:
        """The link to the running child. Waits for the next start where there is none now.

        Raises Unreachable where that start fails, Closed where the keeper is closed.
        """
        link = self._current
        while link is None or not link.is_alive:
            if self._running.done():
                raise Closed("the target was closed")
            self._wanted.set()
            link = await asyncio.shield(self._next)
            if not link.is_alive:
                await asyncio.sleep(0)  # it died just now; its successor's turn comes next
        return link

    async def _run(self) -> None:
        try:
            while True:
                if not self._is_eager():
                    await self._wanted.wait()
                    self._wanted.clear()
                started_at = self._ticks()
                try:
                    link = self._current = await self._launch(self._hint)
                except Unreachable as error:
                    self._hint = None
                    self._fail(error)
                else:
                    self._hint = link.era
                    await self._accompany(link)
                pause = self._backoff.after(self._ticks() - started_at)
                _log.warning("target %s: %s; next start in %g s", self._name, self.detail, pause)
                await asyncio.sleep(pause)
        except Exception:
            _log.exception("target %s: it is not started any more", self._name)
            raise
        finally:
            self._fail(Closed("the target was closed"))

    async def _accompany(self, link: L) -> None:
        """From the child's start to its end, and until its last descendant is gone."""
        self.detail = ""
        if not self._next.done():
            self._next.set_result(link)
        try:
            await link.has_died.wait()
            self.detail = link.end_reason
        finally:
            self._next = asyncio.get_running_loop().create_future()
            await link.close()

    def _fail(self, error: Exception) -> None:
        """Tells those who wait; who asks from now on waits for the next start."""
        self.detail = str(error)
        waiting, self._next = self._next, asyncio.get_running_loop().create_future()
        if not waiting.done():
            waiting.set_exception(error)
            waiting.exception()  # nobody may be waiting, and that is fine

    async def close(self) -> None:
        """Ends the child and whoever waits for it."""
        await self._tasks.close()
