"""How long the writing thread waits for more before it writes: learned of what that brought."""

from __future__ import annotations

from collections.abc import Sequence

TURNS = 2  # of one rest, at most
WORTH = 3.0  # entries that somebody waits for, which a rest must bring
WORTH_OF_TURN = 1.0  # which a turn behind the first must bring
WEIGHT = 0.25  # of the newest rest in the average
PROBE_EVERY = 64  # groups with shorter rests than there could be, after one that was longer


class Resting:
    """How many turns the next group rests. One caller alone waits one turn in PROBE_EVERY groups.

    Averages, not the last rest alone: calls come unevenly, and each rest that is left out costs
    several groups of one call each.
    """

    def __init__(self) -> None:
        self._usual = 0
        self._until_probe = 0
        self._brought = [0.0] * TURNS  # by turn, on the average

    def turns(self) -> int:
        """For the group that begins now. What they bring must be handed to `learn`."""
        if self._until_probe:
            self._until_probe -= 1
            return self._usual
        self._until_probe = PROBE_EVERY
        return TURNS

    def learn(self, brought: Sequence[int]) -> None:
        """What each turn of this rest brought; behind an empty one there need not be another."""
        for turn in range(max(len(brought), self._usual)):
            found = brought[turn] if turn < len(brought) else 0
            weight = WEIGHT if turn < self._usual else 1.0  # of a probe, nothing older is known
            self._brought[turn] += (found - self._brought[turn]) * weight
        self._usual = self._worth()

    def _worth(self) -> int:
        """The most turns that bring enough."""
        for turns in range(TURNS, 0, -1):
            brought = self._brought[:turns]
            if sum(brought) >= WORTH and (turns == 1 or brought[-1] >= WORTH_OF_TURN):
                return turns
        return 0
