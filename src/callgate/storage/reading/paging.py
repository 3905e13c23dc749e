"""Pages of calls, newest first: what stands where is found by an index or by looking at rows."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from callgate.audit.explain import whole
from callgate.audit.matching import Test
from callgate.audit.place import place
from callgate.model import Json
from callgate.storage.reading.cursors import Standing
from callgate.storage.reading.scanning import entries_of
from callgate.storage.rows.looking import Candidate, Passed, Question, Step
from callgate.storage.rows.telling import Blobs

MOST_WORK = 60_000  # of one question: rows looked at; a whole call counts for WORK_PER_CALL
WORK_PER_CALL = 12
AT_ONCE = 64  # calls that are fetched together

Candidates = Callable[[int, int], Iterator[Step]]
"""What may be found in a log before a seq, the latest first."""


@dataclass
class Walk:
    """One page in the making: all logs are read backwards, the latest call first."""

    question: Question
    fits: Test
    standings: dict[int, Standing]
    candidates: Candidates
    blobs: Blobs | None  # where payloads must be read to know whether a call is chosen
    found: list[dict[str, Json]] = field(default_factory=list)
    is_over: bool = False  # whether everything has been looked at

    def run(self) -> None:
        """Goes on until the page is full, everything was seen, or it has been work enough."""
        waiting: list[Step] = []
        work = count = 0
        for step in self._steps():
            waiting.append(step)
            is_call = isinstance(step, Candidate)
            work += WORK_PER_CALL if isinstance(step, Candidate) else step.rows
            count += is_call
            if count < AT_ONCE and work < MOST_WORK:
                continue
            if self._take(waiting) or work >= MOST_WORK:
                return
            waiting, count = [], 0
        self.is_over = not self._take(waiting)

    def _steps(self) -> Iterator[Step]:
        walks = [self.candidates(log, at.seen) for log, at in self.standings.items()]
        return walks[0] if len(walks) == 1 else heapq.merge(*walks, key=_latest_first)

    def _take(self, steps: Sequence[Step]) -> bool:
        """Tells those that fit, up to the end of the page; whether the page is full."""
        calls = self._whole([step.call_id for step in steps if isinstance(step, Candidate)])
        for step in steps:
            if isinstance(step, Passed):
                self._pass(step.log, step.seq)
                continue
            self._pass(*place(step.position))
            call = calls.get(step.call_id)
            if call is not None and self.fits(call):
                self.found.append(call)
                if len(self.found) >= self.question.chosen.limit:
                    return True
        return False

    def _pass(self, log: int, seq: int) -> None:
        self.standings[log] = Standing(seen=seq, end=self.standings[log].end)

    def _whole(self, ids: Sequence[str]) -> Mapping[str, dict[str, Json]]:
        if not ids:
            return {}
        entries = entries_of(self.question.connection, ids, self.blobs)
        return {call_id: whole(of_call) for call_id, of_call in entries.items()}


def _latest_first(step: Step) -> tuple[float, int]:
    # Who has only passed rows has nothing to compare yet: it goes on first.
    return (-step.at, -step.position) if isinstance(step, Candidate) else (float("-inf"), 0)
