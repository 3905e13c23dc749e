"""What of a value can be met again: whole, as number, date, id, or in parts."""

import base64

import pytest

from callgate.review.leaves import Leaf
from callgate.review.marks import hidden_marks, marks, parts, weight_of


def kinds(value: str | int | float, field: str = "x") -> set[tuple[str, str | bytes]]:
    return {(mark.kind, mark.key) for mark in marks(Leaf(f"/{field}", value))}


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("Ada  Lovelace", "ada lovelace", "whole"),
        ("1,234.50", 1234.5, "number"),
        ("a total of 1234.50 euros", 1234.5, "number"),
        ("2026-11-29T20:00:00Z", "2026-11-29T21:00:00+01:00", "date"),
        ("on 3 November 2025", "2025-11-03", "date"),
        ("Nov 3, 2025", "03.11.2025", "date"),
        (1_790_000_000, "2026-09-21T14:13:20Z", "date"),
        (1_790_000_000_000, "2026-09-21T14:13:20Z", "date"),
        ("see order ORD-1029312 please", "ord-1029312", "token"),
        ("mail bob.smith@example.com now", "bob.smith@example.com", "token"),
        ("/srv/data/reports/q3.csv is there", "open /srv/data/reports/q3.csv", "token"),
    ],
)
def test_the_same_is_met_again_however_it_is_written(
    one: str | int | float, other: str | int | float, kind: str
) -> None:
    assert {k for k, _ in kinds(one) & kinds(other)} >= {kind}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("open", "open"),
        ("true", "true"),
        ("ok", "ok"),
        (5, 5),
        ("2026", 2026),
        ("9", "9"),
    ],
)
def test_what_everybody_says_is_no_mark(one: str | int, other: str | int) -> None:
    assert not kinds(one, "a") & kinds(other, "b")


def test_a_short_number_is_met_again_under_the_same_name_only() -> None:
    assert kinds(480, "amount") & kinds(480.0, "Amount") == {("named", "amount=480")}
    assert not kinds(480, "amount") & kinds(480, "width")


def test_parts_are_words_in_a_row() -> None:
    text = "The quick brown fox jumps over the lazy dog"

    assert parts(f"He said: {text.upper()}!") >= parts(text)
    assert weight_of(("quick", "brown", "fox", "jumps")) == 18
    assert weight_of(("a", "b", "c", "d")) == 0


def test_what_is_beneath_an_encoding_has_the_same_marks() -> None:
    hidden = base64.b64encode(b"the key is ORD-1029312 of Ada").decode()

    found = dict.fromkeys(way for mark, way in hidden_marks(Leaf("/x", hidden)))
    assert list(found) == ["base64"]
    assert ("token", b"ord1029312") in {
        (mark.kind, mark.key) for mark, _ in hidden_marks(Leaf("/x", hidden))
    }
