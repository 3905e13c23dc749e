"""Keeps one child process running: starts it, waits out its failures, starts it again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from callgate.model import Era
from callgate.upstream.faults import Unreachable
from callgate.upstream.stdio_link import StdioLink
from callgate.upstream.tasks import Closed, Tasks

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0
HEALTHY_SECONDS = 60.0

_log = logging.getLogger("callgate.upstream")


class Backoff:
    """How long to wait before the next start: doubling, forgotten after a minute's health."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def after(self, lived_seconds: float) -> float:
        """The pause after a child that lived so long."""
        if lived_seconds >= HEALTHY_SECONDS:
            self._next = FIRST_SECONDS
        pause = self._next
        self._next = min(pause * 2, MOST_SECONDS)
        return pause


class Keeper:
    """One child process, for as long as it is wanted.

    `launch` starts a child and opens its link, given the era it spoke last time; it raises
    Unreachable. An eager keeper starts the child again at once, another when somebody asks.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[Era | None], Awaitable[StdioLink]],
        ticks: Callable[[], float],
        *,
        is_eager: bool,
    ) -> None:
        self.calls = 0
        self.used_at = 0.0
        self.detail = "not started yet"
        self._name = name
        self._launch = launch
        self._ticks = ticks
        self._is_eager = is_eager
        self._wanted = asyncio.Event()
        self._next: asyncio.Future[StdioLink] = asyncio.get_running_loop().create_future()
        self._current: StdioLink | None = None
        self._tasks = Tasks()
        self._running = self._tasks.start(self._run(), f"keeping {name}")

    @property
    def era(self) -> Era | None:
        """The era of the running child; None while there is none."""
        link = self._current
        return link.peer.era if link is not None and link.is_alive and link.peer else None

    async def link(self) -> StdioLink:
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
        backoff = Backoff()
        hint: Era | None = None
        try:
            while True:
                if not self._is_eager:
                    await self._wanted.wait()
                    self._wanted.clear()
                started_at = self._ticks()
                try:
                    link = self._current = await self._launch(hint)
                except Unreachable as error:
                    hint = None
                    self._fail(error)
                else:
                    hint = await self._accompany(link)
                pause = backoff.after(self._ticks() - started_at)
                _log.warning("target %s: %s; next start in %g s", self._name, self.detail, pause)
                await asyncio.sleep(pause)
        except Exception:
            _log.exception("target %s: it is not started any more", self._name)
            raise
        finally:
            self._fail(Closed("the target was closed"))

    async def _accompany(self, link: StdioLink) -> Era | None:
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
        return link.peer.era if link.peer else None

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
