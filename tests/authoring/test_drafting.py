import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from callgate.authoring.drafting import MAX_TEXT_CHARACTERS, Drafter, DraftError, Proposal
from callgate.authoring.grounding import Ground
from callgate.authoring.model_client import Message, ModelError
from callgate.authoring.weighing import Weighed
from callgate.policy.names import Names
from callgate.policy.source import Policy, read_policies
from callgate.protocol.validators import Validators
from fakes.calls import a_tool

TEXT = "Only finance may refund more than 1000. Nobody refunds without a note."
ALL = '@id("all") permit(principal, action, resource);'
GROUND = Ground(
    names=Names(),
    tools=(a_tool(),),
    policies=read_policies([("p", ALL)]),
    targets={"shop": True},
)
FORBID = """forbid (principal, action == Callgate::Action::"shop___refund",
resource == Callgate::Gateway::"main") when {{ context.input.amount {comparison} 1000 }}
unless {{ principal in Callgate::Group::"finance" }};"""
GOOD = FORBID.format(comparison=">")
WRONG = FORBID.format(comparison=">=")
ONE = {"requirements": [{"quote": "Only finance may refund more than 1000", "meaning": "m"}]}
TWO = {
    "requirements": [
        *ONE["requirements"],
        {"quote": "Nobody refunds without a note", "meaning": "m"},
    ]
}


def policy(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "limit", "policy": text, **more}


def a_case(amount: int, expect: str, *groups: str) -> dict[str, Any]:
    return {
        "name": f"{amount} by {groups}",
        "principal": {"id": "ada", "groups": list(groups)},
        "tool": "shop___refund",
        "arguments": {"customer": "c", "amount": amount},
        "expect": expect,
    }


CASES = {
    "cases": [a_case(1000, "permit"), a_case(1001, "refuse"), a_case(2000, "permit", "finance")]
}


class Model:
    """Answers in the order of the script, and remembers what it was asked."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.asked: list[list[Message]] = []

    async def __call__(self, messages: Sequence[Message]) -> str:
        self.asked.append(list(messages))
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else json.dumps(answer)


def says_nothing(_: Policy) -> Weighed:
    return Weighed()


def draft(
    model: Model,
    text: str = TEXT,
    attempts: int = 3,
    weigh: Callable[[Policy], Weighed] = says_nothing,
) -> tuple[Proposal, ...]:
    drafter = Drafter(
        ground=GROUND,
        ask=model,
        fits=Validators().validate,
        weigh=weigh,
        max_attempts=attempts,
    )
    return asyncio.run(drafter.draft(text))


def test_one_policy_for_each_requirement_checked_and_tried() -> None:
    note = """forbid (principal, action == Callgate::Action::"shop___refund", resource)
    unless { context.input has note };"""
    noted = {"cases": [a_case(5, "refuse")]}
    model = Model(TWO, CASES, policy(GOOD, assumptions=["A group."]), noted, policy(note))

    first, second = draft(model)

    assert first.checked.policy is not None and second.checked.policy is not None
    assert [first.checked.policy.id, second.checked.policy.id] == ["limit", "limit-2"]
    assert [trial.is_contradiction for trial in (*first.trials, *second.trials)] == [False] * 4
    assert first.assumptions == ("A group.",)
    assert len(model.asked) == 5


def test_cases_are_written_without_sight_of_the_policy() -> None:
    model = Model(ONE, CASES, policy(GOOD))

    draft(model)

    assert "test cases" in model.asked[1][0].content
    assert all("forbid" not in message.content for message in model.asked[1][1:])


def test_errors_are_told_until_they_are_mended() -> None:
    model = Model("Sure!", ONE, "[]", CASES, policy(GOOD.replace("amount", "amuont")), policy(GOOD))

    (proposal,) = draft(model)

    assert proposal.is_usable
    assert "not a JSON object" in model.asked[1][-1].content
    assert "amuont" in model.asked[5][-1].content
    assert model.asked[5][-2].role == "assistant"


def test_repairs_end_and_what_is_wrong_is_said() -> None:
    broken = policy("permit (principal")
    model = Model(ONE, CASES, broken, broken, broken)

    (proposal,) = draft(model)

    assert not proposal.is_usable
    assert proposal.failure.startswith("no usable policy after 3 attempts: the policy:1:")
    assert len(model.asked) == 5


def test_a_contradiction_is_told_once_and_a_better_answer_is_taken() -> None:
    model = Model(ONE, CASES, policy(WRONG), policy(GOOD))

    (proposal,) = draft(model)

    assert proposal.checked.policy is not None
    assert "> 1000" in proposal.checked.policy.text
    assert not any(trial.is_contradiction for trial in proposal.trials)
    assert "expected permit, but the call is refused" in model.asked[3][-1].content


def test_a_contradiction_that_stays_is_shown_as_one() -> None:
    model = Model(ONE, CASES, policy(WRONG), policy(WRONG))

    (proposal,) = draft(model)

    assert proposal.is_usable
    assert [trial.is_contradiction for trial in proposal.trials] == [True, False, False]


def test_what_can_never_be_used_is_told_like_an_error() -> None:
    found = iter([Weighed(problems=("it never matches",)), Weighed(notes=("n",))])
    model = Model(ONE, CASES, policy(GOOD), policy(GOOD))

    (proposal,) = draft(model, weigh=lambda _: next(found))

    assert proposal.is_usable and proposal.checked.notes[-1] == "n"
    assert "- it never matches" in model.asked[3][-1].content


def test_a_doubt_is_told_once_and_then_shown() -> None:
    model = Model(ONE, CASES, policy(GOOD), policy(GOOD))

    (proposal,) = draft(model, weigh=lambda _: Weighed(doubts=("it may fail",)))

    assert proposal.doubts == ("it may fail",)
    assert "- it may fail" in model.asked[3][-1].content


def test_an_answer_that_makes_it_worse_is_not_taken() -> None:
    worse = FORBID.format(comparison="<=")
    for later in (policy(worse), {"impossible": "oh"}):
        (proposal,) = draft(Model(ONE, CASES, policy(WRONG), later))

        assert proposal.checked.policy is not None
        assert ">= 1000" in proposal.checked.policy.text


def test_a_policy_that_breaks_after_a_contradiction_leaves_the_valid_one() -> None:
    model = Model(ONE, CASES, policy(WRONG), "oops", "oops")

    (proposal,) = draft(model)

    assert proposal.checked.policy is not None
    assert len(model.asked) == 5


def test_a_requirement_that_cannot_be_stated_says_why() -> None:
    (proposal,) = draft(Model(ONE, CASES, {"impossible": "Cedar cannot count."}))

    assert proposal.failure == "the model says it cannot: Cedar cannot count."


def test_without_usable_cases_the_policy_stands_and_that_is_noted() -> None:
    model = Model(ONE, "x", "x", "x", policy(GOOD))

    (proposal,) = draft(model)

    assert proposal.is_usable and proposal.trials == ()
    assert proposal.checked.notes[-1].startswith("the model wrote no cases that can be used")


def test_a_model_that_fails_in_the_middle_leaves_what_there_is() -> None:
    model = Model(TWO, CASES, policy(GOOD), ModelError("it is down"))

    first, second = draft(model)

    assert first.is_usable
    assert second.failure == "it is down"
    assert len(model.asked) == 4


def test_after_a_failure_nothing_more_is_asked() -> None:
    first, second = draft(Model(TWO, ModelError("it is down")))

    assert (first.failure, second.failure) == ("it is down", "not asked for: it is down")


@pytest.mark.parametrize(
    ("text", "script", "problem"),
    [
        (" \n", [], "there is no text"),
        ("x" * (MAX_TEXT_CHARACTERS + 1), [], "longer than"),
        (TEXT, [{"requirements": []}], "found no rule about calls"),
        (TEXT, ["no", "no", "no"], "no requirements that can be used: the answer is not"),
        (
            TEXT,
            [{"requirements": [{"quote": "admins may do all", "meaning": "m"}]}] * 3,
            "these words are not in the text",
        ),
    ],
)
def test_where_nothing_can_be_drafted_it_is_said(text: str, script: Any, problem: str) -> None:
    with pytest.raises(DraftError, match=problem):
        draft(Model(*script), text)


def test_a_model_that_is_down_is_an_error() -> None:
    with pytest.raises(ModelError):
        draft(Model(ModelError("down")))
