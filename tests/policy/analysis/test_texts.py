"""Comparisons of unknown texts: those go together that go together for real texts, and no others."""

from itertools import product

from hypothesis import example, given, settings
from hypothesis import strategies as st

from callgate.policy.analysis.globs import fits, is_literal, pattern_of
from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.terms import conj, disj, negation, same, truth_variable
from callgate.policy.analysis.texts import (
    Texts,
    agrees,
    choose_text,
    is_like,
    length,
    same_text,
)

LETTERS = ["".join(letters) for n in range(6) for letters in product("abx", repeat=n)]
PIECE = st.sampled_from([None, None, "a", "b"])
PATTERN = st.lists(PIECE, min_size=1, max_size=3).map(pattern_of)


@settings(max_examples=60, deadline=None)
@example([((None, "a"), True), (("aa",), False), (("aa", None), True)])
@given(st.lists(st.tuples(PATTERN, st.booleans()), min_size=1, max_size=4))
def test_patterns_hold_together_just_where_a_text_fits_them(asked: list) -> None:  # type: ignore[type-arg]
    texts = Texts()
    one = texts.unknown("one")
    truths = [same(one.fits(pattern), wanted) for pattern, wanted in asked]
    solver = Solver(list(texts.rules()), 5.0)

    answer = solver.ask(truths)

    exists = any(all(fits(p, text) is wanted for p, wanted in asked) for text in LETTERS)
    assert answer is (Answer.YES if exists else Answer.NO)
    if exists:
        holds = solver.found().holds
        assert agrees(one, texts.chosen(holds)[one], holds)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), PATTERN, st.booleans()), max_size=4),
    st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=2),
)
def test_texts_are_equal_just_where_equal_texts_exist(asked: list, equal: list) -> None:  # type: ignore[type-arg]
    texts = Texts()
    unknown = [texts.unknown(f"text {number}") for number in range(3)]
    truths = [same(unknown[n].fits(pattern), wanted) for n, pattern, wanted in asked]
    truths += [same(same_text(unknown[n], unknown[n + 1]), wanted) for n, wanted in equal]
    solver = Solver(list(texts.rules()), 5.0)

    answer = solver.ask(truths)

    fitting = [
        [t for t in LETTERS if all(fits(p, t) is w for m, p, w in asked if m == n)]
        for n in range(3)
    ]
    exists = any(
        all(any((one == t) is w for one in fitting[2 * n]) for n, w in equal) for t in fitting[1]
    ) and all(fitting)
    if len({n for n, _ in equal}) < len(equal):
        exists = exists and len({(n, w) for n, w in equal}) == len({n for n, _ in equal})
    assert answer is (Answer.YES if exists else Answer.NO)
    if exists:
        holds = solver.found().holds
        chosen = texts.chosen(holds)
        assert all(agrees(one, chosen[one], holds) for one in unknown)
        for n, wanted in equal:
            assert (chosen[unknown[n]] == chosen[unknown[n + 1]]) is wanted


def test_known_texts_fold() -> None:
    assert same_text("a", "a") is True
    assert is_like("abc", ["a", None]) is True
    assert length("é\U0001f600") == 2


def test_a_text_that_depends_is_compared_branch_by_branch() -> None:
    condition, texts = truth_variable("condition"), Texts()
    unknown = texts.unknown("unknown")
    choice = choose_text(condition, "a", unknown)
    size = length(choice)
    solver = Solver(list(texts.rules()), 5.0)

    assert solver.ask([condition, negation(same_text(choice, "a"))]) is Answer.NO
    assert solver.ask([negation(condition), negation(same_text(choice, "a"))]) is Answer.YES
    assert solver.ask([condition, same(size, 2)]) is Answer.NO


def test_the_length_of_a_text_goes_with_what_it_is() -> None:
    texts = Texts()
    one = texts.unknown("one")
    size = length(one)
    is_abc, starts = same_text(one, "abc"), is_like(one, ["abcd", None])
    solver = Solver(list(texts.rules()), 5.0)

    assert solver.ask([is_abc, same(size, 4)]) is Answer.NO
    assert solver.ask([starts, same(size, 3)]) is Answer.NO
    assert solver.ask([starts, same(size, 9)]) is Answer.YES


def test_with_too_many_patterns_some_rules_are_left_out_and_that_is_said() -> None:
    texts = Texts()
    one = texts.unknown("one")
    found = [is_like(one, [None, letter * 3, None]) for letter in "abcdefghij"]
    solver = Solver(list(texts.rules()), 5.0)

    assert texts.inexact
    assert solver.ask([disj(*found), negation(conj(*found))]) is Answer.YES


def test_a_literal_is_a_pattern_without_wildcards() -> None:
    assert is_literal(pattern_of(["a*"]))
