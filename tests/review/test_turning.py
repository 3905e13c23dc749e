"""What turns a recorded decision is said where it is known, and nothing where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.policy.cases import Ruling
from callgate.policy.decided import Decision
from callgate.policy.decisions import principal, tool
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.places import Edit
from callgate.policy.simulate import Judge
from callgate.policy.source import read_policies
from callgate.protocol.methods import method_tool
from callgate.protocol.validators import Validators
from callgate.review.turning import NO_NEED, Prospect, in_words, phrase, prospect

POLICIES = """
@id("small") permit(principal in Callgate::Group::"support", action, resource)
when { context.input.amount <= 100 };
@id("leads") permit(principal in Callgate::Group::"leads", action, resource)
when { principal.hasTag("role") && principal.getTag("role") == "lead" && context.input.note == "x" };
"""
REFUND = tool(
    "shop___refund",
    {
        "type": "object",
        "properties": {"amount": {"type": "integer"}, "note": {"type": "string"}},
        "required": ["amount", "note"],
    },
)
JUDGE = Judge(Engine(read_policies([("p.cedar", POLICIES)]), Names()))
FITS = Validators().validate


def decided(amount: int = 480, ruling: Ruling = Ruling.REFUSE, **more: Any) -> Decision:
    groups = more.pop("groups", ["support"])
    question = Question(
        principal=principal("sam", groups=groups),
        tool=more.pop("tool", REFUND),
        arguments={"amount": amount, "note": "hello"},
        enriched={},
        now=0.0,
    )
    return Decision(call="c1", question=question, ruling=ruling, digest="d", **more)


def lines(decision: Decision) -> list[str]:
    return list(in_words(prospect(JUDGE, decision, FITS)))


def test_a_refusal_says_what_would_permit_it_and_who_would() -> None:
    assert lines(decided()) == [
        "It would be permitted if amount were 100 instead of 480 (then: permitted by small)."
    ]


def test_a_permit_says_what_would_refuse_it() -> None:
    found = lines(decided(40, Ruling.PERMIT, policies=("small",)))

    assert found == [
        "It would be refused if amount were 101 instead of 40 (then: no policy permits this call).",
        "It would be refused if the principal were not in the group support "
        "(then: no policy permits this call).",
    ]


def test_where_policies_read_what_is_masked_nothing_is_said_but_that() -> None:
    found = lines(decided(hidden=(("input", "amount"),)))

    assert found == [
        "What would change it cannot be known: these policies read what is masked, erased or not "
        "kept in the record (amount)."
    ]


def test_what_is_masked_and_read_by_nobody_does_not_matter() -> None:
    assert len(lines(decided(hidden=(("input", "other"),)))) == 1
    assert "100 instead of 480" in lines(decided(hidden=(("input", "other"),)))[0]


def test_changes_after_which_policies_would_read_what_is_masked_are_left_out() -> None:
    found = lines(decided(5, groups=[], hidden=(("input", "note"),)))

    assert found[0].startswith("It would be permitted if the principal were in the group support")
    hidden = prospect(JUDGE, decided(5, groups=["support"], hidden=(("input", "amount"),)), FITS)
    assert hidden.unknown and not hidden.turns


def test_claims_that_are_not_recorded_are_not_guessed() -> None:
    found = prospect(JUDGE, decided(groups=["leads"], knows_claims=False), FITS)

    assert "read claims" in found.unknown


def test_a_decision_that_comes_out_otherwise_is_not_explained() -> None:
    (line,) = lines(decided(40))

    assert "the decision comes out otherwise: permitted by small" in line


def test_a_list_needs_no_permit() -> None:
    found = prospect(JUDGE, decided(tool=method_tool("shop", "tools/list")), FITS)

    assert found.unknown == NO_NEED


def test_where_nothing_turns_it_that_is_said() -> None:
    judge = Judge(Engine(read_policies([("p.cedar", "forbid(principal, action, resource);")]), Names()))  # fmt: skip
    found = prospect(judge, decided(), FITS)

    assert list(in_words(found)) == ["No value was found with which it would be permitted."]
    assert found.account is not None


def test_a_policy_without_conditions_decides_whatever_the_values() -> None:
    text = 'permit(principal, action, resource); @id("no") forbid(principal, action, resource);'
    judge = Judge(Engine(read_policies([("p.cedar", text)]), Names()))
    found = prospect(judge, decided(policies=("no",)), FITS)

    assert list(in_words(found)) == ["It would not be permitted with any values: no asks for none."]


def test_bounds_and_gaps_of_the_search_are_said() -> None:
    found = Prospect(is_permitted=True, is_cut_short=True, hides=True)

    assert list(in_words(found))[1:] == [
        "There was more to try than is tried here.",
        "Other changes are left out: policies would read what is masked or not recorded.",
    ]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit(kind="argument", path=("a", "b"), before=1, after=2), "a.b were 2 instead of 1"),
        (Edit(kind="argument", path=("a",), before=1, is_there=False), "a were left out (it is 1)"),
        (Edit(kind="argument", path=("a",), after="x", was_there=False), 'a were given as "x"'),
        (Edit(kind="fact", path=("risk", "score"), before=7, after=3), "the fact risk.score were 3 instead of 7"),
        (Edit(kind="claim", path=("role",), before="x", after="y"), 'the claim role were "y" instead of "x"'),
        (Edit(kind="group", path=("ops",), was_there=False), "the principal were in the group ops"),
        (Edit(kind="group", path=("ops",), is_there=False), "the principal were not in the group ops"),
        (Edit(kind="principal", path=(), before="sam", after="lea"), 'the principal, with the same groups and claims, were "lea" instead of "sam"'),
        (Edit(kind="tenant", path=(), before="a", after="b"), 'the tenant were "b" instead of "a"'),
        (Edit(kind="time", path=(), before=0.0, after=3600.0), "it were decided at 1970-01-01T01:00:00.000000Z instead of 1970-01-01T00:00:00.000000Z"),
    ],
)  # fmt: skip
def test_each_change_completes_the_sentence(edit: Edit, said: str) -> None:
    assert phrase(edit) == said


def test_where_something_else_ended_the_call_that_is_said() -> None:
    found = prospect(JUDGE, decided(40, Ruling.PERMIT, policies=("small",)), FITS)
    first, *_ = in_words(found, was_let_through=False)

    assert first == "Policy permitted the call; what ended it was something else."


def test_long_values_are_cut() -> None:
    assert phrase(Edit(kind="argument", path=("a",), before="x" * 500, after="y")).endswith("x…")
