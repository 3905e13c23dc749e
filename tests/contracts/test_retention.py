"""Whatever is recorded, held and killed in whatever order: proofs hold, holds hold, time is kept."""

from __future__ import annotations

import operator
import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callgate.audit.selecting import Selector
from callgate.storage.retention import erasing, planning
from callgate.storage.retention.settings import RetentionRule
from fakes.erasing import DAY, Dead, ErasedRecord, an_erased_record

Kind = Literal["calls", "payloads"]
KINDS: tuple[Kind, ...] = ("calls", "payloads")
WHO = ("ada", "bob", "eve")
TARGETS = ("hr", "shop")
RULES: tuple[tuple[dict[str, str], ...], ...] = (
    ({"class": "payloads", "keep": "10d", "target": "hr"}, {"class": "payloads", "keep": "40d"}),
    ({"class": "calls", "keep": "60d"}, {"class": "payloads", "keep": "20d"}),
    ({"class": "payloads", "keep": "9y", "principal": "e*"}, {"class": "payloads", "keep": "1d"}),
)
who, target = st.sampled_from(WHO), st.sampled_from(TARGETS)
kept = st.sampled_from(KINDS)
dies_in = st.none() | st.integers(0, 12)  # steps until death
# The payload lies in the record, beside it, or there together with that of others.
CALL = st.tuples(
    st.just("call"), who, st.integers(0, 80), target, st.sampled_from(["", "own", "one", "one"])
)
STEP = st.one_of(
    CALL,
    st.tuples(st.just("hold"), who, st.none() | target),
    st.tuples(st.just("release")),
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("retain"), dies_in),
    st.tuples(st.just("erase"), who, dies_in, kept),
    # A hold that comes right after what is to be erased was said, or after the next event.
    st.tuples(st.just("race"), who, st.none() | kept, st.integers(0, 1), dies_in),
)
STEPS = st.builds(
    operator.add, st.lists(CALL, min_size=2, max_size=5), st.lists(STEP, min_size=2, max_size=10)
)
HELD_WHEN_HALF_IS_GONE: list[tuple[Any, ...]] = [
    *[("call", "ada", 0, "hr", "")] * 3,
    *[("call", "ada", 40, "shop", "")] * 2,
    ("retain", 9),
    ("hold", "ada", None),
]

RELEASED_WHEN_HALF_IS_GONE: list[tuple[Any, ...]] = [
    ("call", "ada", 70, "hr", "own"),
    ("call", "bob", 70, "hr", "own"),
    ("race", "bob", None, 0, 3),
    ("release",),
]


class World:
    """A record, and what must be so of it."""

    def __init__(self, record: ErasedRecord, rules: tuple[dict[str, str], ...]) -> None:
        self.record = record
        self.rules = [RetentionRule.model_validate(rule).rule for rule in rules]
        self.calls: dict[str, tuple[str, float, str]] = {}  # id → who, at, target
        self.holds: dict[tuple[str, str | None], str] = {}  # who and which target → id
        self.kept: dict[str, Any] = {}  # of those that are held: as they were

    def do(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])
        assert self.record.failures() == []
        left = self._left()
        for call_id in filter(self._is_held, self.calls):
            # What was gone may be there again: another call can have the same payload.
            was, now = (sum(one[call_id], ()) for one in (self.kept, left))
            assert all(map(operator.le, was, now)), "what was held is gone"

    def _is_held(self, call_id: str) -> bool:
        owner, _, of = self.calls[call_id]
        return not self.holds.keys().isdisjoint({(owner, None), (owner, of)})

    def call(self, owner: str, days: int, of: str, beside: str) -> None:
        call_id = f"c{len(self.calls)}"
        self.calls[call_id] = owner, self.record.clock.now() - days * DAY, of
        same = "all" if beside == "one" else ""
        principal = {"id": owner, "kind": "jwt"}
        self.record.call(
            call_id, days, large=bool(beside), same=same, target=of, principal=principal
        )
        self.kept[call_id] = self._left()[call_id]

    def _left(self) -> dict[str, list[tuple[bool, bool]]]:
        """Of each call its entries: whether the body is there, whether the payload, wherever."""
        left = self.record.left()
        for call_id, is_there in self.record.large().items():
            has_body = left[call_id][0][0]  # which says what of all that lies there is its payload
            left[call_id][0] = has_body, has_body and is_there
        return left

    def hold(self, owner: str, of: str | None) -> None:
        if (owner, of) not in self.holds:
            chosen = Selector(principal=owner, target=of)
            self.holds[owner, of] = self.record.desk.place(chosen, "a case", "operator").id
            self.kept.update(self._left())

    def release(self) -> None:
        if self.holds:
            self.record.desk.release(self.holds.popitem()[1], "over", "operator")

    def wait(self, days: int) -> None:
        self.record.clock.advance(days * DAY)

    def race(self, owner: str, kept: Kind | None, after: int, dies_in: int | None) -> None:
        later = self.record.after_append
        later += [lambda: None] * after + [lambda: self.hold(owner, None)]
        if kept is None:
            self.retain(dies_in)
        else:
            self.erase(owner, dies_in, kept)
        later.clear()

    def retain(self, dies_in: int | None) -> None:
        if self._survives(dies_in, lambda eraser: eraser.retain([(r, "") for r in self.rules])):
            self._nothing_is_kept_beyond_its_time()

    def erase(self, owner: str, dies_in: int | None, kept: Kind) -> None:
        def work(eraser: erasing.Eraser) -> None:
            eraser.erase(Selector(principal=owner), kept, {})

        held = set(filter(self._is_held, self.calls))
        if self._survives(dies_in, work):
            for call_id, (of, _, _) in self.calls.items():
                if of == owner and call_id not in held and not self._is_held(call_id):
                    self._is_gone(call_id, kept)

    def _is_gone(self, call_id: str, kept: Kind) -> None:
        left = self._left()
        bodies, (of_intent, of_outcome) = zip(*left[call_id], strict=True)
        assert kept == "payloads" or not any(bodies), (call_id, kept)
        # What lies there for others, too, stays until it is gone for all of them.
        assert not of_intent or self.record.is_shared(call_id), (call_id, kept)
        assert not of_outcome, (call_id, kept)

    def _survives(self, dies_in: int | None, work: Any) -> bool:
        eraser = self.record.eraser()
        steps = iter(range(dies_in)) if dies_in is not None else None

        def pause(_seconds: float) -> None:
            if steps is not None and next(steps, None) is None:
                raise Dead

        eraser._pause = pause  # type: ignore[assignment, method-assign] # where processes die
        try:
            with eraser.at_work():
                work(eraser)
        except Dead:
            return False
        return True

    def _nothing_is_kept_beyond_its_time(self) -> None:
        now = self.record.clock.now()
        for call_id, (owner, at, of) in self.calls.items():
            for kept in KINDS:
                seconds = self._seconds(kept, owner, of)
                if seconds is not None and at < now - seconds and not self._is_held(call_id):
                    self._is_gone(call_id, kept)

    def _seconds(self, kept: str, owner: str, of: str) -> float | None:
        for rule in self.rules:
            chosen = rule.selector
            fits = chosen.target in (None, of) and (
                chosen.principal is None or owner.startswith(chosen.principal.rstrip("*"))
            )
            if rule.kept == kept and fits:
                return rule.seconds
        return None


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_proofs_and_holds_hold_and_nothing_is_kept_too_long(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "BATCH", 3)  # of which a call may be in two
    monkeypatch.setattr(planning, "CHUNK", 3)

    @example(rules=RULES[0], steps=HELD_WHEN_HALF_IS_GONE)
    @example(rules=RULES[1], steps=RELEASED_WHEN_HALF_IS_GONE)
    @given(rules=st.sampled_from(RULES), steps=STEPS)
    @settings(
        max_examples=40 if kind == "sqlite" else 8,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    def check(rules: tuple[dict[str, str], ...], steps: list[tuple[Any, ...]]) -> None:
        with (
            tempfile.TemporaryDirectory() as directory,
            an_erased_record(kind, Path(directory)) as record,
        ):
            world = World(record, rules)
            for step in steps:
                world.do(step)
            world.do(("retain", None))

    check()
