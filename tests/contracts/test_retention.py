"""Whatever is recorded, held and killed in whatever order: proofs hold, holds hold, time is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callgate.audit.selecting import Selector
from callgate.storage.retention import erasing, planning
from callgate.storage.retention.settings import RetentionRule
from fakes.erasing import DAY, Dead, ErasedRecord, an_erased_record

WHO = ("ada", "bob", "eve")
TARGETS = ("hr", "shop")
RULES: tuple[tuple[dict[str, str], ...], ...] = (
    ({"class": "payloads", "keep": "10d", "target": "hr"}, {"class": "payloads", "keep": "40d"}),
    ({"class": "calls", "keep": "60d"}, {"class": "payloads", "keep": "20d"}),
    ({"class": "payloads", "keep": "9y", "principal": "e*"}, {"class": "payloads", "keep": "1d"}),
)
who, target = st.sampled_from(WHO), st.sampled_from(TARGETS)
STEPS = st.one_of(
    st.tuples(st.just("call"), who, st.integers(0, 80), target, st.booleans()),
    st.tuples(st.just("hold"), who),
    st.tuples(st.just("release")),
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("retain"), st.one_of(st.none(), st.integers(0, 12))),  # steps until death
    st.tuples(st.just("erase"), who, st.one_of(st.none(), st.integers(0, 12))),
    # A hold that comes right after what is to be erased was said.
    st.tuples(st.just("race"), who, st.one_of(st.none(), st.integers(0, 12))),
)
HELD_WHEN_HALF_IS_GONE: list[tuple[Any, ...]] = [
    *[("call", "ada", 0, "hr", False)] * 3,
    *[("call", "ada", 40, "shop", False)] * 2,
    ("retain", 9),
    ("hold", "ada"),
]

RELEASED_WHEN_HALF_IS_GONE: list[tuple[Any, ...]] = [
    ("call", "ada", 70, "hr", True),
    ("call", "bob", 70, "hr", True),
    ("race", "bob", 3),
    ("release",),
]


class World:
    """A record, and what must be so of it."""

    def __init__(self, record: ErasedRecord, rules: tuple[dict[str, str], ...]) -> None:
        self.record = record
        self.rules = [RetentionRule.model_validate(rule).rule for rule in rules]
        self.calls: dict[str, tuple[str, float, str]] = {}  # id → who, at, target
        self.holds: dict[str, str] = {}  # who → id
        self.kept: dict[str, Any] = {}  # of those who are held: their calls as they were

    def do(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])
        assert self.record.failures() == []
        left = self._left()
        for call_id, (owner, _, _) in self.calls.items():
            if owner in self.holds:
                assert left[call_id] == self.kept[call_id], "what was held is gone"

    def call(self, owner: str, days: int, of: str, large: bool) -> None:
        call_id = f"c{len(self.calls)}"
        self.calls[call_id] = owner, self.record.clock.now() - days * DAY, of
        principal = {"id": owner, "kind": "jwt"}
        self.record.call(call_id, days, large=large, target=of, principal=principal)
        self.kept[call_id] = self._left()[call_id]

    def _left(self) -> dict[str, list[tuple[bool, bool]]]:
        """Of each call its entries: whether the body is there, whether the payload, wherever."""
        left = self.record.left()
        for call_id, is_there in self.record.large().items():
            left[call_id][0] = left[call_id][0][0], is_there
        return left

    def hold(self, owner: str) -> None:
        if owner not in self.holds:
            hold = self.record.desk.place(Selector(principal=owner), "a case", "operator")
            self.holds[owner] = hold.id
            self.kept.update(self._left())

    def release(self) -> None:
        if self.holds:
            self.record.desk.release(self.holds.popitem()[1], "over", "operator")

    def wait(self, days: int) -> None:
        self.record.clock.advance(days * DAY)

    def race(self, owner: str, dies_in: int | None) -> None:
        self.record.after_append.append(lambda: self.hold(owner))
        self.retain(dies_in)
        self.record.after_append.clear()

    def retain(self, dies_in: int | None) -> None:
        if self._survives(dies_in, lambda eraser: eraser.retain([(r, "") for r in self.rules])):
            self._nothing_is_kept_beyond_its_time()

    def erase(self, owner: str, dies_in: int | None) -> None:
        def work(eraser: erasing.Eraser) -> None:
            eraser.erase(Selector(principal=owner), "calls", {})

        if self._survives(dies_in, work) and owner not in self.holds:
            left = self._left()
            for call_id, (of, _, _) in self.calls.items():
                assert of != owner or left[call_id] == [(False, False)] * 2

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
        left = self._left()
        now = self.record.clock.now()
        for call_id, (owner, at, of) in self.calls.items():
            if owner in self.holds:
                continue
            for kept, place in (("calls", 0), ("payloads", 1)):
                seconds = self._seconds(kept, owner, of)
                if seconds is not None and at < now - seconds:
                    assert not any(entry[place] for entry in left[call_id]), (call_id, kept)

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
    @given(rules=st.sampled_from(RULES), steps=st.lists(STEPS, min_size=3, max_size=14))
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
