"""Patterns mean here what they mean to Cedar, and their combinations are found out exactly."""

import re
from itertools import product

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.source import read_policies
from callgate.policy.wildcards import Pattern, exactly, fits, is_possible, pattern_of

TEXT = st.text("ab*\\\n", max_size=6)
PIECES = st.lists(st.sampled_from(["a", "b", "*", "\\", None]), max_size=6)
PATTERN = st.lists(st.sampled_from(["a", "b", None]), max_size=5).map(
    lambda pieces: pattern_of("Wildcard" if p is None else {"Literal": p} for p in pieces)
)


def written(pieces: list[str | None]) -> str:
    """As it stands in a policy."""
    escapes = {None: "*", "*": "\\*", "\\": "\\\\"}
    return "".join(escapes.get(piece, piece or "") for piece in pieces)


@given(TEXT, PIECES)
def test_a_text_fits_where_cedar_says_so(text: str, pieces: list[str | None]) -> None:
    condition = f'context.x like "{written(pieces)}"'
    (policy,) = read_policies([("p", f"permit(principal, action, resource) when {{{condition}}};")])
    pattern = pattern_of(policy.est["conditions"][0]["body"]["like"]["pattern"])

    uid = {"type": "A", "id": "a"}
    request = {"principal": uid, "action": uid, "resource": uid, "context": {"x": text}}
    answer = cedarpy.is_authorized(request, policy.text, [])

    assert fits(text, pattern) == answer.allowed


@given(
    st.lists(st.frozensets(PATTERN, min_size=1, max_size=2), max_size=2),
    st.frozensets(PATTERN, max_size=3),
)
def test_what_is_possible_is_what_a_search_of_short_texts_finds(
    fitting: list[frozenset[Pattern]], missing: frozenset[Pattern]
) -> None:
    def expression(pattern: Pattern) -> re.Pattern[str]:
        return re.compile("".join(".*" if p is None else p for p in pattern), re.DOTALL)

    # Enough of them: minus the missing, two positive patterns of five pieces need no more.
    texts = ("".join(text) for length in range(8) for text in product("abc", repeat=length))
    found = any(
        all(any(expression(one).fullmatch(text) for one in some) for some in fitting)
        and not any(expression(one).fullmatch(text) for one in missing)
        for text in texts
    )

    assert is_possible(tuple(fitting), missing) or not found
    if not found and not is_long(fitting, missing):
        assert not is_possible(tuple(fitting), missing)


def is_long(fitting: list[frozenset[Pattern]], missing: frozenset[Pattern]) -> bool:
    """Whether the shortest text may be longer than those that were searched."""
    return sum(len(max(some, key=len)) for some in fitting) + sum(map(len, missing)) > 7


@pytest.mark.parametrize(
    ("fitting", "missing", "possible"),
    [
        (["/data/*"], ["/data/*"], False),
        (["/data/*"], ["*"], False),
        (["/data/*"], ["*/../*"], True),
        (["/a*"], ["/ab*", "/ac*"], True),
        (["*.txt", "/a/*"], [], True),
        (["/a/*", "/b/*"], [], False),
        (["ab"], ["a*"], False),
        ([], ["a*", "b"], True),
    ],
)
def test_patterns_exclude_each_other_or_not(
    fitting: list[str], missing: list[str], possible: bool
) -> None:
    def pattern(text: str) -> Pattern:
        return tuple(None if character == "*" else character for character in text)

    sets = tuple(frozenset({pattern(one)}) for one in fitting)
    assert is_possible(sets, frozenset(map(pattern, missing))) is possible


def test_where_there_is_too_much_to_search_it_is_said_to_be_possible() -> None:
    every = [tuple([None, *text, None]) for text in ("abcdefgh"[i : i + 3] for i in range(6))]
    many = frozenset((None, *letters, None) for letters in product("abcdefghij", repeat=2))

    assert is_possible((frozenset({(None, "z", None)}),), many | frozenset(every))
    assert exactly("ab") == ("a", "b")
