"""Deadlines that share one timer: each wait costs a comparison, not a timer of its own."""

from __future__ import annotations

import asyncio
import math

NEVER = math.inf
EARLY_SECONDS = 0.001  # how much too early a timer of the loop may ring
PAUSE_SECONDS = 0.01  # from one look at all of them to the next: so late one may be


class Deadline:
    """Until when one task waits; what it waits for is cancelled then. It may be moved meanwhile."""

    at = NEVER  # in the time of the loop
    has_passed = False
    _deadlines: Deadlines | None = None  # while somebody waits
    _task: asyncio.Task[object] | None = None
    _cancelling = 0

    def begin(self, deadlines: Deadlines, seconds: float) -> None:
        """From now on the current task waits."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - who waits is a task
        self._task, self._cancelling = task, task.cancelling()
        self._deadlines = deadlines
        self.at = loop.time() + seconds
        deadlines.add(self, loop)

    def move(self, at: float) -> None:
        """Changes it, unless nobody waits any more."""
        if self._deadlines is not None and not self.has_passed:
            self.at = at
            self._deadlines.add(self, asyncio.get_running_loop())

    def pass_by(self) -> None:
        """The time has come."""
        if self._task is not None:
            self.has_passed = True
            self._task.cancel()

    def end(self) -> bool:
        """The wait is over; whether a cancellation that ended it meant that the time had come."""
        if self._deadlines is not None:
            self._deadlines.drop(self)
        task, self._deadlines, self._task = self._task, None, None
        return self.has_passed and task is not None and task.uncancel() <= self._cancelling


class Deadlines:
    """Those of one event loop, or of one part of what runs in it."""

    def __init__(self) -> None:
        self._kept: set[Deadline] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = NEVER

    def add(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        """Keeps watch of it from now on, or of its new time."""
        if loop is not self._loop:  # a loop before this one took its timer and its tasks with it
            self._loop, self._timer, self._rings_at = loop, None, NEVER
            self._kept.clear()
        self._kept.add(deadline)
        if deadline.at < self._rings_at:
            self._ring_at(deadline.at, loop)

    def drop(self, deadline: Deadline) -> None:
        """Forgets it. The timer may ring for nothing."""
        self._kept.discard(deadline)

    def _ring_at(self, at: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = loop.call_at(at, self._ring, loop) if at < NEVER else None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        next_look = now  # at once where one of them fails: others have passed by too
        try:
            for deadline in [one for one in self._kept if one.at <= now + EARLY_SECONDS]:
                if deadline in self._kept:  # else another that passed by ended it
                    self._kept.discard(deadline)
                    deadline.pass_by()
            next_look = now + PAUSE_SECONDS
        finally:  # INVARIANT: whatever one does, the timer is set for the others
            self._timer = None
            soonest = min([one.at for one in self._kept], default=NEVER)
            self._ring_at(max(soonest, next_look), loop)
