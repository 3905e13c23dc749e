"""Data flow: which earlier result each argument of a run came from, and how that can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from callgate.audit.record import rfc3339
from callgate.model import Value
from callgate.review.leaves import Leaf, leaves, result_leaves
from callgate.review.marks import Mark, Part, hidden_marks, marks, parts, weight_of
from callgate.review.steps import Step

MAX_SOURCES = 3  # of one argument
MAX_SAMPLE = 60
MAX_RAW = 1024  # characters of a value that is compared as it stands
MAX_CHARACTERS = 64 << 20  # of all results together; beyond, the beginning of each
MIN_CHARACTERS = 1 << 16  # … of which at least so much


class Flow(Value):
    """A value of an earlier result that stands in an argument."""

    source: int  # number of the step that returned it first
    source_path: str  # in its result
    sink: int  # number of the step that sent it
    sink_path: str  # in its arguments
    how: str  # `the same value`, `a part of it`, …: completes "as …"
    letters: int  # how many letters and digits of the argument are known from there
    share: float  # of the argument's
    sample: str  # some of the argument


class Traced(Value):
    """The flows of a run, and whether all of it was looked at."""

    flows: tuple[Flow, ...]
    is_whole: bool = True


class _Origin(NamedTuple):
    step: int  # 0: the agent's own
    path: str
    raw: str | int | float | None


_OWN = _Origin(0, "", None)
_Key = tuple[str, str | bytes] | Part


def trace(steps: Sequence[Step], most_characters: int = MAX_CHARACTERS) -> Traced:
    """Where arguments came from. Linear in the size of everything that is looked at.

    Of a value that came back more than once, the first result counts. What the agent had sent
    itself before any result said it is its own, whatever came back later. Only what stands in
    some argument is remembered of results. Of results that are longer than the bound together,
    the beginning of each is looked at.
    """
    looked = _Tracing(steps, most_characters)
    found = looked.flows(steps)
    found.sort(key=lambda flow: (flow.sink, flow.sink_path, -flow.letters))
    return Traced(flows=tuple(found), is_whole=looked.is_whole)


class _Tracing:
    def __init__(self, steps: Sequence[Step], most_characters: int) -> None:
        self.is_whole = True
        self._left = most_characters
        self._each = max(most_characters // max(len(steps), 1), MIN_CHARACTERS)
        self._marks: set[_Key] = set()
        self._parts: set[Part] = set()
        self._seen: dict[_Key, _Origin] = {}
        for step in steps:
            for leaf in leaves(step.arguments):
                self._marks.update((mark.kind, mark.key) for mark, _ in _marked(leaf))
                self._parts.update(part for part in _parts_of(leaf) if weight_of(part))

    def flows(self, steps: Sequence[Step]) -> list[Flow]:
        found: list[Flow] = []
        for step, is_result in _in_time(steps):
            if is_result:
                self._learn(step)
            else:
                found.extend(self._traced(step))
        return found

    def _learn(self, step: Step) -> None:
        room = self._each
        for leaf in result_leaves(step.content):
            size = len(leaf.value) if isinstance(leaf.value, str) else 8
            self._left -= size
            room -= size
            if self._left < 0 and room < 0:
                self.is_whole = False
                return
            origin = _Origin(step.number, leaf.path, leaf.value if size <= MAX_RAW else None)
            for mark, _ in _marked(leaf):
                if (mark.kind, mark.key) in self._marks:
                    self._seen.setdefault((mark.kind, mark.key), origin)
            for part in _parts_of(leaf) & self._parts:
                self._seen.setdefault(part, origin)

    def _traced(self, step: Step) -> Iterator[Flow]:
        own: list[_Key] = []
        today = _days_around(step.received_at)
        for leaf in leaves(step.arguments):
            evidence: dict[int, _Evidence] = {}
            for key, kind, weight, way in _keys(leaf, today):
                origin = self._seen.get(key)
                if origin is None:
                    own.append(key)
                elif origin.step:
                    known = evidence.setdefault(origin.step, _Evidence(origin))
                    known.add(kind, weight, way, origin)
            yield from _told(step, leaf, evidence)
        for key in own:  # afterwards: what stands twice in one call is nobody else's either
            self._seen.setdefault(key, _OWN)


def _in_time(steps: Sequence[Step]) -> Iterator[tuple[Step, bool]]:
    """Arguments as they come in and results as they go back."""
    moments: list[tuple[float, int, bool, Step]] = []
    for step in steps:
        moments.append((step.received_at, step.number, False, step))
        if step.content is not None and step.ended_at is not None:
            at = max(step.ended_at, step.received_at)  # a clock may have been set back
            moments.append((at, step.number, True, step))
    for _, _, is_result, step in sorted(moments, key=lambda one: one[:3]):
        yield step, is_result


class _Evidence:
    """What one argument has of one earlier result."""

    def __init__(self, origin: _Origin) -> None:
        self.origin = origin
        self._weights: dict[tuple[str, str], int] = {}  # (kind, way) → letters

    def add(self, kind: str, weight: int, way: str, origin: _Origin) -> None:
        self._weights[kind, way] = self._weights.get((kind, way), 0) + weight
        if (kind, way) == self.best:
            self.origin = origin

    @property
    def best(self) -> tuple[str, str]:
        """What shows it best: all of it as it stands, else what most letters are of."""
        return max(self._weights, key=lambda one: (one == ("whole", ""), self._weights[one]))

    @property
    def rank(self) -> tuple[bool, int]:
        """For the order of sources."""
        return self.best == ("whole", ""), self.letters

    @property
    def letters(self) -> int:
        """How many of the argument's are known, whatever kinds of marks say so."""
        return max(self._weights.values())


def _keys(leaf: Leaf, today: frozenset[str]) -> Iterator[tuple[_Key, str, int, str]]:
    for mark, way in _marked(leaf):
        if mark.kind != "date" or mark.key not in today:
            yield (mark.kind, mark.key), mark.kind, mark.weight, way
    # Of words in a row that overlap, each word counts once: a quarter of each four.
    for part in _parts_of(leaf):
        weight = weight_of(part)
        if weight:
            yield part, "part", max(weight // len(part), 1), ""


def _parts_of(leaf: Leaf) -> set[Part]:
    return parts(leaf.value) if isinstance(leaf.value, str) else set()


def _days_around(at: float) -> frozenset[str]:
    """Yesterday, today, tomorrow: everybody writes those."""
    return frozenset(rfc3339(at + days * 86_400)[:10] for days in (-1, 0, 1))


def _marked(leaf: Leaf) -> Iterator[tuple[Mark, str]]:
    for mark in marks(leaf):
        yield mark, ""
    yield from hidden_marks(leaf)


def _told(step: Step, leaf: Leaf, evidence: dict[int, _Evidence]) -> Iterator[Flow]:
    size = max(len(str(leaf.value)), 1)
    for one in sorted(evidence.values(), key=lambda one: one.rank, reverse=True)[:MAX_SOURCES]:
        letters = min(one.letters, size)
        yield Flow(
            source=one.origin.step,
            source_path=one.origin.path,
            sink=step.number,
            sink_path=leaf.path,
            how=_how(one, leaf),
            letters=letters,
            share=round(letters / size, 3),
            sample=str(leaf.value)[:MAX_SAMPLE],
        )
        if one.best == ("whole", ""):
            return  # all of it is from there: what else has parts of it says nothing


_HOW = {
    "number": "the same number",
    "named": "the same number in a field of the same name",
    "date": "the same date",
    "token": "an id, address or name out of it",
    "part": "a part of its text",
}


def _how(one: _Evidence, leaf: Leaf) -> str:
    kind, way = one.best
    if way:
        return f"the same in another encoding ({way})"
    if kind != "whole":
        return _HOW[kind]
    is_same = one.origin.raw == leaf.value and type(one.origin.raw) is type(leaf.value)
    return "the same value" if is_same else "the same value, written otherwise"
