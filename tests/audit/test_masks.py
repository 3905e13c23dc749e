"""What is masked, and what is told of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.masks import MASKED, Masks

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


@pytest.mark.parametrize(
    ("paths", "expected", "hits"),
    [
        ((), {"a": {"b": [1, {"c": 2}]}, "d": "e"}, ()),
        (("d",), {"a": {"b": [1, {"c": 2}]}, "d": MASKED}, ("d",)),
        (("a",), {"a": MASKED, "d": "e"}, ("a",)),
        (("a.b.1.c",), {"a": {"b": [1, {"c": MASKED}]}, "d": "e"}, ("a.b.1.c",)),
        (("a.b.*",), {"a": {"b": [MASKED, MASKED]}, "d": "e"}, ("a.b.*",)),
        (("*.b",), {"a": {"b": MASKED}, "d": "e"}, ("*.b",)),
        (("a.b.*.c", "d"), {"a": {"b": [1, {"c": MASKED}]}, "d": MASKED}, ("a.b.*.c", "d")),
        (("a.x", "d.e", "a.b.7", "x"), {"a": {"b": [1, {"c": 2}]}, "d": "e"}, ()),
        (("a.b.99999999999999999999999", "a.b.x"), {"a": {"b": [1, {"c": 2}]}, "d": "e"}, ()),
        (("a", "a.b"), {"a": MASKED, "d": "e"}, ("a",)),
    ],
)
def test_masked_values_are_replaced_and_the_paths_that_were_there_are_told(
    paths: tuple[str, ...], expected: object, hits: tuple[str, ...]
) -> None:
    arguments = {"a": {"b": [1, {"c": 2}]}, "d": "e"}
    before = msgspec.json.encode(arguments)

    assert Masks.parse(paths).applied(arguments) == (expected, hits)
    assert msgspec.json.encode(arguments) == before


@given(JSON)
def test_masks_that_hit_nothing_change_nothing(arguments: Any) -> None:
    assert Masks.parse(("no-such-key", "*.*.*.*.*.*.no-such-key")).apply(arguments) is arguments


@pytest.mark.parametrize(
    ("read", "is_hidden"),
    [
        ("context.input.card", True),
        ("context.input.card.number", True),
        ("context.derived.card.number.length", True),
        ("context.input", True),  # read whole
        ("context.input.list.3.secret", True),
        ("context.input.list.3.open", False),
        ("context.input.other", False),
        ("context.enriched.card", False),
        ("principal.tenant", False),
    ],
)
def test_what_policy_read_of_a_masked_argument_is_masked(read: str, is_hidden: bool) -> None:
    assert Masks.parse(("card.number", "list.*.secret")).hide(read) is is_hidden


def test_errors_keep_no_values_where_anything_is_masked() -> None:
    error = 'error while evaluating policy `p1`: overflow of 5 and "x y" in context.input.n'

    assert Masks().plain(error) == error
    assert Masks.parse(("n",)).plain(error) == (
        f"error while evaluating policy `p1`: overflow of {MASKED} and {MASKED} in context.input.n"
    )
