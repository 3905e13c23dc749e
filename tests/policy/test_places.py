"""A question with one value changed is the same in all else."""

from typing import Any

import pytest

from callgate.policy.candidates import ABSENT
from callgate.policy.engine import Question
from callgate.policy.places import KINDS, Edit, Place, changed, edits_of, value_at
from fakes.calls import a_principal, a_tool

QUESTION = Question(
    principal=a_principal("ada", "ops", claims={"role": "lead"}, agent="helper"),
    tool=a_tool(),
    arguments={"card": {"number": "4111", "cvc": "1"}, "amount": 5},
    enriched={"risk": {"score": 7}},
    now=1000.0,
)
CHANGES: list[tuple[Place, Any, Any]] = [
    (Place("argument", ("card", "number")), "4111", "4222"),
    (Place("argument", ("card", "number")), "4111", ABSENT),
    (Place("argument", ("note", "text")), ABSENT, "x"),
    (Place("fact", ("risk", "score")), 7, 3),
    (Place("fact", ("geo", "country")), ABSENT, "NL"),
    (Place("time"), 1000.0, 2000.0),
    (Place("claim", ("role",)), "lead", "clerk"),
    (Place("claim", ("role",)), "lead", ABSENT),
    (Place("group", ("ops",)), True, False),
    (Place("group", ("leads",)), False, True),
    (Place("tenant"), ABSENT, "acme"),
    (Place("agent"), "helper", ABSENT),
    (Place("principal"), "ada", "lea"),
]


@pytest.mark.parametrize(("place", "before", "after"), CHANGES, ids=str)
def test_a_value_is_read_and_changed_at_its_place_alone(
    place: Place, before: Any, after: Any
) -> None:
    other = changed(QUESTION, {place: after})

    assert value_at(QUESTION, place) == before
    assert value_at(other, place) == after
    assert place.kind in KINDS
    for elsewhere, value, _ in CHANGES:
        if elsewhere != place:
            assert value_at(other, elsewhere) == value


def test_changes_are_told_as_what_was_and_what_would_be() -> None:
    told = edits_of(
        QUESTION,
        {
            Place("argument", ("amount",)): 9,
            Place("claim", ("role",)): ABSENT,
            Place("group", ("leads",)): True,
        },
    )

    assert told == (
        Edit(kind="argument", path=("amount",), before=5, after=9),
        Edit(kind="claim", path=("role",), before="lead", is_there=False),
        Edit(kind="group", path=("leads",), was_there=False),
    )
