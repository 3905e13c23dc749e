"""Each step of a look by itself; what is found all in all: tests/contracts/test_records.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.ports import CallFilter
from callgate.storage.rows import looking
from callgate.storage.rows.looking import Candidate, Passed, Question, ended_among, look
from callgate.storage.rows.opening import Source
from callgate.storage.settings import StoreSettings
from fakes.store import an_intent, an_outcome
from fakes.writing import write


@pytest.fixture
def source(tmp_path: Path) -> Source:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, *(an_outcome(f"c{n}") for n in range(7)), an_intent("a"), an_outcome("a"))
    return Source(settings)


def test_look_goes_further_each_time_and_says_how_far_it_came(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "FIRST_LOOK", 2)
    monkeypatch.setattr(looking, "FURTHEST_LOOK", 4)
    with source.reading() as connection:
        question = Question(connection, CallFilter(code="ok"), {1: 9})
        steps = list(look(question, 1, 1, 9))
    passed = [(step.seq, step.rows) for step in steps if isinstance(step, Passed)]
    assert passed == [(7, 2), (3, 4), (1, 2)]
    found = [step.call_id for step in steps if isinstance(step, Candidate)]
    assert found == ["a", "c6", "c5", "c4", "c3", "c2", "c1"]


def test_outcome_that_came_after_the_walk_began_does_not_count(source: Source) -> None:
    with source.reading() as connection:
        before = Question(connection, CallFilter(), {1: 8})
        assert ended_among(before, ["a", "c1", "x"]) == {"c1"}
        candidates = [step for step in look(before, 1, 7, 8) if isinstance(step, Candidate)]
        assert [one.call_id for one in candidates] == ["a"]  # in flight, as it was then
        after = Question(connection, CallFilter(), {1: 9})
        assert ended_among(after, ["a"]) == {"a"}
        assert ended_among(after, []) == set()
