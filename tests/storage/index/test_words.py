from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.searching import LONGEST_WORD, words
from callgate.storage.index.words import plain


@given(st.lists(st.text(max_size=200), max_size=4))
def test_words_are_those_that_a_search_compares(texts: list[str]) -> None:
    assert plain({"arguments": {"x": texts}}).split() == [
        word for text in texts for word in words(text)
    ]


@pytest.mark.parametrize("letter", ["a", "ä", "7"])
def test_long_words_are_cut_alike(letter: str) -> None:
    assert plain({"reason": letter * 300 + " end"}).split()[0] == next(words(letter * 300))
    assert len(next(words(letter * 300))) == LONGEST_WORD


def test_of_names_of_fields_and_masked_values_nothing_is_found() -> None:
    call = {"arguments": {"password": "***", "amount": 5}, "principal": {"id": "ada"}}
    assert plain(call).split() == ["5"]
