from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callgate.audit.searching import (
    MOST_TERMS,
    MOST_WORDS,
    Search,
    SearchError,
    Term,
    bounded,
    texts_of,
    words,
)
from callgate.model import Json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wire-Transfer, 500.5!", ["wire", "transfer", "500", "5"]),
        ("snake_case camelCase", ["snake", "case", "camelcase"]),
        ("ada@example.com", ["ada", "example", "com"]),
        ("Überweisung für ZOË", ["uberweisung", "fur", "zoe"]),
        ("STRASSE Straße ﬁn", ["strasse", "strasse", "fin"]),
        ("振込手数料 100円", ["振", "込", "手", "数", "料", "100", "円"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("𝐀da ℌ ᴬ Ϲ", ["ada", "h", "a", "σ"]),
        ("a\x00b\x1b[31mc\u202ed", ["a", "b", "31mc", "d"]),
        ("…", []),
    ],
)
def test_words_are_without_case_accents_and_punctuation(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


@example("𝐀")
@given(st.text())
def test_what_is_a_word_is_found_by_itself_and_has_no_case(text: str) -> None:
    found = list(words(text))
    assert [again for word in found for again in words(word)] == found
    assert [word.casefold() for word in found] == found


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_texts_have_the_words_that_others_would_have(text: str) -> None:
    beside = "ж"  # with which the text is no longer plain
    assert list(words(f"{text} {beside}")) == [*words(text), beside]


@pytest.mark.parametrize(
    ("written", "finds", "does_not"),
    [
        ("transfer wire", "a wire, a transfer", "a wire"),
        ('"wire transfer"', "The Wire-Transfer!", "transfer wire"),
        ("trans*", "transfers", "a translucent".replace("trans", "tans")),
        ('"wire trans"*', "wire transfers", "wire and transfers"),
        ("wire -draft", "wire", "wire draft"),
        ('wire -"not sent"', "sent, not by wire", "wire not sent"),
        ("ada@example.com", "mail ada@example.com now", "ada at example dot com"),
        ("手数", "振込手数料", "手の数"),
        ("FÜR", "fur", "fr"),
        ("a-b", "a b", "b a"),
        ("- wire", "wire", "draft"),
    ],
)
def test_search_finds_what_has_all_it_wants(written: str, finds: str, does_not: str) -> None:
    search = Search.parse(written)
    assert search.finds([finds])
    assert not search.finds([does_not])


def test_words_may_stand_apart_but_a_phrase_stands_in_one_text() -> None:
    assert Search.parse("wire transfer").finds(["wire", "transfer"])
    assert not Search.parse('"wire transfer"').finds(["wire", "transfer"])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "no word"),
        ("*** !", "no word"),
        ('""', "no word"),
        ("-draft", "add a word"),
        ('"half', "other half"),
        (" ".join(f"w{n}" for n in range(MOST_TERMS + 1)), "more than"),
    ],
)
def test_what_is_no_search_is_refused_in_words(written: str, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        Search.parse(written)


@given(st.text())
def test_any_text_is_a_search_or_refused(written: str) -> None:
    try:
        search = Search.parse(written)
    except SearchError:
        return
    if not search.unwanted and not any(term.is_prefix for term in search.wanted):
        assert search.finds([written])


def test_terms_are_told_apart() -> None:
    assert Search.parse('a "b c"* -d* -"e f"') == Search(
        wanted=(Term(words=("a",)), Term(words=("b", "c"), is_prefix=True)),
        unwanted=(Term(words=("d",), is_prefix=True), Term(words=("e", "f"))),
    )


def test_arguments_results_and_reasons_are_searched_values_only() -> None:
    call: dict[str, Json] = {
        "arguments": {"memo": "m", "list": [1, {"deep": "d"}], "none": None, "is": True},
        "content": {"content": [{"type": "text", "text": "answer"}]},
        "reason": "why",
        "detail": "how",
        "decision": {
            "reason": "policy", "errors": ["error"], "flips": [{"reason": "flip"}], "policies": ["p1"],
        },
        "changes": [{"note": "note", "interceptor": "redact"}],
        "principal": {"id": "ada"},
    }  # fmt: skip
    expected = ["m", "1", "d", "text", "answer", "why", "how", "policy", "error", "flip", "note"]
    assert list(texts_of(call)) == expected
    assert list(texts_of({})) == []


def test_what_is_endless_is_searched_as_far_as_there_is_room() -> None:
    most = MOST_WORDS * 8
    assert sum(map(len, bounded(["x" * (most - 1), "yz", "never"]))) == most
