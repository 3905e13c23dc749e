from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.questions import Condition


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("arguments.amount>=500", (("arguments", "amount"), ">=", 500)),
        ("arguments.amount = 5.5", (("arguments", "amount"), "=", 5.5)),
        ("a==true", (("a",), "=", True)),
        ("a!=null", (("a",), "!=", None)),
        ("principal.groups=finance", (("principal", "groups"), "=", "finance")),
        ('a="500"', (("a",), "=", "500")),
        ('a."b.c=d".*.0~x=y', (("a", "b.c=d", "*", "0"), "~", "x=y")),
        ("a~5", (("a",), "~", "5")),
        ("a<b", (("a",), "<", "b")),
        ("a=[1]", (("a",), "=", "[1]")),
        ("a=line\nbreak", (("a",), "=", "line\nbreak")),
        ("a=", (("a",), "=", "")),
        ("arguments.note", (("arguments", "note"), "?", None)),
    ],
)
def test_condition_is_a_path_an_operator_and_a_value(
    written: str, expected: tuple[object, ...]
) -> None:
    found = Condition.parse(written)
    assert (found.path, found.operator, found.value) == expected


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "is not a path"),
        ("=5", "is not a path"),
        ("a..b=5", "is not a path"),
        (".a=5", "is not a path"),
        ("a.=5", "is not a path"),
        ('"a=5', "is not a path"),
        ("a>true", "neither more nor less"),
        ("a<=null", "neither more nor less"),
        ('a="half', "does not end"),
    ],
)
def test_what_is_none_is_refused_in_words(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Condition.parse(written)


@given(st.text())
def test_any_text_is_a_condition_or_refused(written: str) -> None:
    try:
        assert Condition.parse(written).path
    except ValueError as error:
        assert str(error)
