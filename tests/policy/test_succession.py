"""What a new engine knows before it is asked."""

from __future__ import annotations

from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.policy.succession import MOST_PAIRS, pairs_of, release, warm
from fakes.calls import a_principal, a_tool

PERMIT = '@id("a") permit(principal, action, resource) when { context.input.amount < 5 };'


def an_engine(text: str = PERMIT) -> Engine:
    return Engine(read_policies([("p", text)]), Names())


def test_a_new_engine_is_asked_about_what_the_old_one_was_asked_about() -> None:
    old = an_engine()
    ada, bob = a_principal("ada"), a_principal("bob")
    refund, list_all = a_tool(), a_tool(name="list")
    for principal, tool in ((ada, refund), (ada, list_all), (bob, refund)):
        old.may_permit(principal, tool)

    pairs = pairs_of(old)

    assert pairs == [(bob, refund), (ada, refund), (ada, list_all)]
    new = an_engine(PERMIT.replace("< 5", "< 6"))
    warm(new, pairs)
    assert set(map(str, pairs_of(new))) == set(map(str, pairs))


def test_being_warm_changes_no_verdict() -> None:
    arguments = {"customer": "c", "amount": 4}
    ada = a_principal("ada")
    for text in (PERMIT, "forbid(principal, action, resource);", "", PERMIT.replace("5", '"x"')):
        question = Question(
            principal=ada, tool=a_tool(), arguments=arguments, enriched={}, now=1_790_000_000.0
        )
        cold, warmed = an_engine(text), an_engine(text)
        warm(warmed, [(ada, question.tool)])
        assert warmed.authorize(question) == cold.authorize(question)


def test_no_more_pairs_are_taken_than_a_swap_has_time_for() -> None:
    engine = an_engine()
    for number in range(MOST_PAIRS + 10):
        engine.may_permit(a_principal(f"p{number}"), a_tool())

    assert len(pairs_of(engine)) == MOST_PAIRS


def test_an_engine_that_was_let_go_still_answers() -> None:
    engine = an_engine()
    ada = a_principal("ada")
    before = engine.may_permit(ada, a_tool())

    release(engine)

    assert pairs_of(engine) == []
    assert engine.may_permit(ada, a_tool()) == before
