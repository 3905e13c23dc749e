"""One tool before the solver: known requests answer questions, and Cedar confirms examples."""

from callgate.policy.analysis.asking import UNCONFIRMED, Asked, permitted
from callgate.policy.analysis.findings import Example, Subject
from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.terms import negation
from fakes.subjects import a_payment, a_subject


def asked(subject: Subject) -> Asked:
    return Asked(subject, a_payment(), subject.policies, 5.0)


def test_a_request_that_was_found_answers_other_questions() -> None:
    one = asked(a_subject("permit when { context.input.amount > 5 };"))
    (meaning,) = one.meanings

    assert one.is_possible(lambda s: 0 in s.satisfied, [meaning.is_satisfied])
    assert one.is_possible(lambda s: 0 in s.satisfied, [False])
    assert one.is_possible(lambda s: 0 in s.failing, [meaning.is_failing]) is False
    assert one.queries == 1


def test_policies_of_two_sets_with_one_id_are_told_apart() -> None:
    before = a_subject('@id("p") permit when { context.input.nothing > 5 };')
    after = a_subject('@id("p") permit when { context.input.amount > 5 };')
    both = Asked(before, a_payment(), (*before.policies, *after.policies), 5.0)

    assert [bool(meaning.problem) for meaning in both.meanings] == [True, False]


def test_a_set_permits_where_a_permit_holds_and_nothing_stops() -> None:
    one = asked(
        a_subject(
            "permit when { context.input.amount > 5 };"
            "permit when { context.input.amount + 9223372036854775800 > 0 };"
            'forbid when { context.input.currency == "USD" };'
        )
    )
    allowed = permitted(one.meanings)
    solver = Solver(one.symbols.settled(), 5.0)
    first, second, forbid = one.meanings

    assert solver.ask([allowed, forbid.is_satisfied]) is Answer.NO
    assert solver.ask([allowed, second.is_failing]) is Answer.NO
    assert solver.ask([negation(allowed), first.is_satisfied]) is Answer.YES
    assert solver.ask([allowed, negation(first.is_satisfied)]) is Answer.YES


def test_what_cedar_confirms_is_an_example() -> None:
    one = asked(a_subject("permit when { context.input.amount > 5 };"))
    shown = one.shown([one.meanings[0].is_satisfied], lambda _: "as Cedar says")

    assert isinstance(shown, Example)
    assert (shown.outcome, shown.arguments["amount"] > 5) == ("as Cedar says", True)


def test_what_cedar_does_not_confirm_is_never_shown() -> None:
    exact = asked(a_subject("permit when { context.input.amount > 5 };"))
    rough = asked(a_subject("permit when { context.derived has note.path };"))

    assert exact.shown([exact.meanings[0].is_satisfied], lambda _: None) == UNCONFIRMED
    reason = rough.shown([rough.meanings[0].is_satisfied], lambda _: None)
    assert isinstance(reason, str)
    assert "knows only roughly facts in context.derived" in reason


def test_obvious_arguments_are_tried_where_facts_must_fit() -> None:
    subject = a_subject(
        'permit when { context.derived has note.host && context.derived.note.host like "*.example.com"'
        " && context.derived.note.length > 30 && context.derived.note has url_path };"
    )
    one = asked(subject)
    confirmed = one.shown([one.meanings[0].is_satisfied], lambda q: str(q.arguments.get("note")))

    assert isinstance(confirmed, Example)
