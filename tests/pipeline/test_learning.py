"""What is learnt from a record is what was permitted and ran; and a draft is tried on all of it."""

from typing import Any

import pytest

from callgate.audit.keeping import Keeping
from callgate.audit.masks import Masks
from callgate.model import Ran
from callgate.pipeline.learning import (
    MAX_REFUSED,
    NO_ARGUMENTS,
    NO_CLAIMS,
    NOT_PERMITTED,
    NOT_RUN,
    OTHER_DEFINITION,
    Attempt,
    Learnt,
    Lesson,
    Tried,
    learn,
)
from callgate.pipeline.replay import NO_DEFINITION, Recall
from callgate.policy.engine import Engine
from callgate.policy.learning.bounding import Level
from callgate.policy.learning.proposing import propose
from callgate.policy.names import Names
from callgate.policy.simulate import Judge, Simulation
from callgate.policy.source import read_policies
from callgate.ports import TargetError
from fakes.calls import a_principal
from fakes.history import ADA, LEA, entries_of
from fakes.recorded import FakeRecords
from fakes.target import FakeConnector


def calls_of(records: FakeRecords) -> list[dict[str, Any]]:
    return [call for _, call in records.scan_calls({})]


def learnt(records: FakeRecords, lesson: Lesson | None = None) -> Learnt:
    return learn(calls_of(records), Recall(records), lesson or Lesson())


def attempted(
    records: FakeRecords, of: Learnt, policies: str | None = None, lesson: Lesson | None = None
) -> tuple[Tried, Simulation]:
    text = policies
    if text is None:
        text = "\n".join(one.text for one in propose(of.ledger, Level.STRICT, Names()))
    engine = Engine(read_policies([("draft", text)]), Names())
    simulation = Simulation(Judge(engine))
    attempt = Attempt(
        draft=engine, simulation=simulation, lesson=lesson or Lesson(), digests=of.digests
    )
    return attempt.run(calls_of(records), Recall(records)), simulation


def test_what_was_permitted_and_ran_is_learnt_and_nothing_else() -> None:
    records = FakeRecords(entries_of())

    found = learnt(records)

    (used,) = found.ledger.latest()[0]
    assert {actor.id: seen.calls for actor, seen in used.actors.items()} == {"ada": 2, "lea": 2}
    assert not found.left
    assert found.last_at - found.first_at == 240.0


def test_a_draft_is_tried_on_all_calls_and_refuses_those_it_was_not_made_from() -> None:
    records = FakeRecords(entries_of())
    found = learnt(records, Lesson(principal="ada"))

    tried, simulation = attempted(records, found)

    assert [decision.question.principal.id for decision in tried.refused] == ["ada"]
    assert tried.broken == [f"c{3:028}", f"c{4:028}"]  # this attempt counts all as learnt from
    assert simulation.found.changes == {"permit-to-refuse": 2}


def test_a_draft_that_refuses_what_it_came_from_is_found_out() -> None:
    records = FakeRecords(entries_of())

    tried, _ = attempted(records, learnt(records), policies="")

    assert tried.broken == [f"c{number:028}" for number in (0, 1, 3, 4)]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            {
                "connector": FakeConnector(
                    error=TargetError("target_timeout", "Late.", ran=Ran.UNKNOWN)
                )
            },
            NOT_RUN,
        ),
        ({"mode": "observe", "policies": ""}, NOT_PERMITTED),
    ],
)
def test_why_nothing_is_learnt_is_said(more: dict[str, Any], reason: str) -> None:
    records = FakeRecords(entries_of([(ADA, 10)], **more))

    found = learnt(records)

    assert found.left == {reason: 1}
    assert not found.ledger.tools


def test_what_ran_while_the_gateway_only_observed_is_learnt_where_that_is_wanted() -> None:
    records = FakeRecords(entries_of([(ADA, 10)], policies="", mode="observe"))

    found = learnt(records, Lesson(observed=True))

    assert found.ledger.latest()[0][0].calls == 1


def test_what_a_policy_forbade_is_never_learnt() -> None:
    forbid = "permit (principal, action, resource); forbid (principal, action, resource);"
    records = FakeRecords(entries_of([(ADA, 10)], policies=forbid, mode="observe"))

    assert not learnt(records, Lesson(observed=True)).ledger.tools


def test_calls_without_arguments_or_definition_are_left_out() -> None:
    records = FakeRecords(entries_of())
    for entry in records.entries_:
        if entry["kind"] == "intent" and entry["principal"]["id"] == "ada":
            del entry["arguments"]
    without = FakeRecords([one for one in records.entries_ if not one["call"].startswith("tool:")])

    assert learnt(records).left == {NO_ARGUMENTS: 2}
    assert learnt(without).left == {NO_DEFINITION: 5}


def test_an_older_definition_is_left_out() -> None:
    records = FakeRecords(entries_of([(ADA, 10)]))
    found = learnt(records)
    (used,) = found.ledger.tools.values()
    found.ledger.tools["shop", "refund", "older"] = used

    assert found.ledger.latest()[1] == 1
    assert OTHER_DEFINITION not in found.left


def test_masked_values_are_not_bound() -> None:
    keeping = Keeping(masks=Masks.parse(("customer",)))
    records = FakeRecords(entries_of(keeping=keeping))

    (first, *_) = propose(learnt(records).ledger, Level.STRICT, Names())

    assert [place for place, _ in first.unbound] == ["customer"]


def test_claims_that_matter_are_kept() -> None:
    clerk = a_principal("ada", "support", claims={"role": "clerk", "exp": 5})
    records = FakeRecords(entries_of([(clerk, 10)]))

    (one,) = propose(
        learnt(records, Lesson(claims=frozenset({"role"}))).ledger, Level.STRICT, Names()
    )

    assert 'principal.hasTag("role") && principal.getTag("role") == "clerk"' in one.text
    assert "exp" not in one.text


def test_nothing_is_learnt_of_whom_the_claims_that_matter_are_not_known() -> None:
    clerk = a_principal("ada", "support", claims={"role": "clerk"})
    entries = entries_of([(clerk, 10), (LEA, 500)])
    records = FakeRecords(one for one in entries if one.code != "principal_described")
    lesson = Lesson(claims=frozenset({"role"}))

    found = learnt(records, lesson)
    proposed = propose(found.ledger, Level.STRICT, Names())
    tried, _ = attempted(records, found, "\n".join(one.text for one in proposed), lesson)

    assert found.left == {NO_CLAIMS: 1}
    assert {actor.id for used in found.ledger.tools.values() for actor in used.actors} == {"lea"}
    assert tried.broken == []
    assert learnt(records).left == {}


@pytest.mark.parametrize(
    ("lesson", "who"),
    [
        (Lesson(principal="lea"), {"lea"}),
        (Lesson(agent="bot"), set()),
        (Lesson(target="shop"), {"ada", "lea"}),
        (Lesson(target="other"), set()),
        (Lesson(tool="refund"), {"ada", "lea"}),
        (Lesson(tool="shop___refund", principal="ada"), {"ada"}),
    ],
)
def test_a_lesson_is_about_some_calls(lesson: Lesson, who: set[str]) -> None:
    found = learnt(FakeRecords(entries_of()), lesson)

    assert {actor.id for used in found.ledger.tools.values() for actor in used.actors} == who


def test_some_refused_calls_are_kept() -> None:
    records = FakeRecords(entries_of([(ADA, 500)] * (MAX_REFUSED + 3) + [(LEA, 1)]))

    tried, _ = attempted(records, learnt(records))

    assert len(tried.refused) == MAX_REFUSED
