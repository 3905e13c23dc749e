"""A histogram of durations that costs next to nothing to add to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate


class Durations:
    """Counts and sums seconds, by upper bounds that belong to their bucket (`le`)."""

    __slots__ = ("_bounds", "_counts", "_seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._seconds = 0.0

    def add(self, durations: Iterable[float]) -> None:
        """Some more of them. Not thread-safe: only the loop adds."""
        values = sorted(durations)
        counted = 0
        for place, bound in enumerate(self._bounds):
            reached = bisect_right(values, bound)
            self._counts[place] += reached - counted
            counted = reached
        self._counts[-1] += len(values) - counted
        self._seconds += sum(values)

    @property
    def seconds(self) -> float:
        """The sum of all."""
        return self._seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound as text, and how many are not above it; `+Inf` comes last."""
        names = [*map(str, self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))
