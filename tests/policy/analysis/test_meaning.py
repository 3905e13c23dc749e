"""Policies as wholes: their scope, their clauses in order, and what cannot be analysed."""

from msgspec.structs import replace

from callgate.policy.analysis.meaning import Compiler, Meaning
from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.symbols import Symbols
from callgate.policy.analysis.terms import Truth, conj, negation
from callgate.policy.names import Names
from fakes.subjects import a_payment, a_subject


def compiled(text: str, misfit: str | None = None) -> tuple[Meaning, Solver]:
    (policy,) = a_subject(text).policies
    symbols = Symbols(a_payment(), Names(), {})
    meaning = Compiler(symbols).policy(policy, misfit)
    return meaning, Solver(symbols.settled(), 5.0)


def test_clauses_are_told_one_by_one() -> None:
    meaning, solver = compiled(
        "permit when { context.input.amount > 5 && context.input.amount < 3 } unless { 1 == 2 };"
    )

    assert len(meaning.clauses) == 3
    assert solver.ask(meaning.clauses[:1]) is Answer.YES
    assert solver.ask(meaning.clauses[:2]) is Answer.NO
    assert meaning.clauses[2] is True


def test_after_a_clause_that_never_holds_nothing_is_looked_at() -> None:
    meaning, _ = compiled(
        "permit when { context.input has gone && context.input.gone.whatever > 5 };"
    )

    assert (meaning.problem, meaning.is_satisfied, meaning.is_failing) == ("", False, False)


def test_a_failing_clause_fails_only_where_it_is_reached() -> None:
    meaning, solver = compiled(
        "permit when { context.input.amount < 10 && context.input.amount + 9223372036854775800 > 0 };"
    )

    assert solver.ask([meaning.is_failing, meaning.clauses[0]]) is Answer.YES
    assert solver.ask([meaning.is_failing, negation(meaning.clauses[0])]) is Answer.NO
    assert solver.ask([meaning.is_failing, meaning.is_satisfied]) is Answer.NO
    assert meaning.stops is meaning.is_failing


def test_a_policy_that_does_not_fit_stops_whoever_is_in_its_scope() -> None:
    meaning, _ = compiled("permit(principal is Callgate::OAuthUser, action, resource);", "wrong")

    assert meaning.stops is meaning.in_scope
    assert meaning.is_satisfied is False
    assert meaning.problem == "does not fit: wrong"


def test_a_policy_that_cannot_be_analysed_may_do_anything_in_its_scope() -> None:
    (policy,) = a_subject(
        "permit(principal is Callgate::OAuthUser, action, resource) when { context.input.amount > 5 };"
    ).policies
    body = {"isMoon": [{"Var": "context"}]}
    strange = replace(policy, est={**policy.est, "conditions": [{"kind": "when", "body": body}]})
    symbols = Symbols(a_payment(), Names(), {})
    meaning = Compiler(symbols).policy(strange)
    solver = Solver(symbols.settled(), 5.0)

    outside: Truth = negation(meaning.in_scope)
    assert "isMoon" in meaning.problem
    assert solver.ask([meaning.is_satisfied]) is Answer.YES
    assert solver.ask([meaning.is_failing]) is Answer.YES
    assert solver.ask([conj(meaning.is_satisfied, meaning.is_failing)]) is Answer.NO
    assert solver.ask([outside, meaning.stops]) is Answer.NO
