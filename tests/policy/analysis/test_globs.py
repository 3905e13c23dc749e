"""Cases of patterns: every text falls into exactly the case of the patterns that it fits."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.analysis.globs import (
    TooMany,
    cases,
    fits,
    is_literal,
    pattern_of,
    sketch,
    texts_like,
)

TEXTS = ["".join(letters) for n in range(7) for letters in product("abx", repeat=n)]
PIECE = st.sampled_from([None, None, "a", "b"])
PATTERN = st.lists(PIECE, min_size=1, max_size=4).map(pattern_of)


def test_a_pattern_has_one_form() -> None:
    assert pattern_of(["a", "b", None, None, "c"]) == ("ab", None, "c")
    assert pattern_of(["", None, ""]) == (None,)
    assert pattern_of([]) == ("",)
    assert is_literal(pattern_of(["a*b"])) and not is_literal(pattern_of(["a", None]))


def test_a_star_in_a_literal_piece_is_no_wildcard() -> None:
    assert fits(("a*", None), "a*b\n") and not fits(("a*", None), "ab")


@settings(deadline=None)
@given(st.frozensets(PATTERN, min_size=1, max_size=4))
def test_the_cases_are_those_that_occur(patterns: frozenset[tuple[str | None, ...]]) -> None:
    occurring = {frozenset(p for p in patterns if fits(p, text)) for text in TEXTS}

    found = {case.fitting: case for case in cases(patterns)}

    assert found.keys() >= occurring
    for fitting, case in found.items():
        assert frozenset(p for p in patterns if fits(p, case.shortest)) == fitting
        if not case.has_plenty:
            known = {t for t in TEXTS if frozenset(p for p in patterns if fits(p, t)) == fitting}
            assert known == set(case.texts)


@settings(deadline=None)
@given(st.frozensets(PATTERN, min_size=1, max_size=4))
def test_texts_like_a_case_are_of_it_and_not_few(
    patterns: frozenset[tuple[str | None, ...]],
) -> None:
    for case in cases(patterns):
        found = {*texts_like(patterns, case.fitting)}
        assert case.shortest in found
        assert all(
            frozenset(p for p in patterns if fits(p, text)) == case.fitting for text in found
        )
        assert found <= {*case.texts} if not case.has_plenty else len(found) > 1


def test_a_case_with_few_texts_lists_them() -> None:
    patterns = frozenset({("a", None), (None, "a"), ("a", None, "a")})

    few = [case for case in cases(patterns) if not case.has_plenty]

    assert [(case.fitting, case.texts) for case in few] == [
        (frozenset({("a", None), (None, "a")}), ["a"])
    ]


def test_patterns_with_too_many_cases_are_refused() -> None:
    patterns = frozenset((None, f"{letter}{letter}{letter}", None) for letter in "abcdefghij")

    with pytest.raises(TooMany):
        cases(patterns)


def test_a_sketch_has_the_pieces_of_the_longest_pattern() -> None:
    assert sketch([("a", None), ("a", None, "b", None)], "x") == "axbx"
