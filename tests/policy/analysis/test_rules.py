"""Every valid argument keeps the rules; what the rules exclude, the input schema excludes."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.analysis.limits import Node
from callgate.policy.analysis.rules import json_rule, scalar_rule
from callgate.policy.analysis.values import Sort
from callgate.policy.exact import canonical, kind_of

NUMBERS: list[Any] = [-8, -3, -1, 0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 100]
CASES: list[tuple[Sort, dict[str, Any], list[Any]]] = [
    (Sort.LONG, {"minimum": 1, "maximum": 9}, NUMBERS),
    (Sort.LONG, {"exclusiveMinimum": 1, "exclusiveMaximum": 9}, NUMBERS),
    (Sort.LONG, {"minimum": 0.5, "maximum": 9.5, "multipleOf": 3}, NUMBERS),
    (Sort.LONG, {"exclusiveMinimum": -1.5, "exclusiveMaximum": 3.5}, NUMBERS),
    (Sort.LONG, {"enum": [1, 5.0, "x", None, True]}, NUMBERS),
    (Sort.DECIMAL, {"minimum": 0.25, "exclusiveMaximum": 2}, [0, 0.25, 0.2499, 1.9999, 2, -1]),
    (Sort.DECIMAL, {"enum": [0.5, 3, 0.00001]}, [0.5, 0.3, 3, 5]),
    (Sort.DECIMAL, {"multipleOf": 2}, [2, 3, 2.5, 4]),
    (Sort.STRING, {"minLength": 1}, ["", "a", "abc"]),
    (Sort.STRING, {"minLength": 2, "maxLength": 3}, ["", "a", "ab", "é\U0001f600", "abcd"]),
    (Sort.STRING, {"enum": ["a", 5, None]}, ["a", "b", ""]),
    (Sort.STRING, {"const": "a"}, ["a", "b"]),
    (Sort.BOOL, {"const": True}, [True, False]),
]


@pytest.mark.parametrize(("sort", "schema", "values"), CASES, ids=str)
def test_scalars_keep_the_rules_just_where_they_are_valid(
    sort: Sort, schema: dict[str, Any], values: list[Any]
) -> None:
    limits = Node.of(schema).limits()
    validator = jsonschema_rs.validator_for(schema)

    for value in values:
        term = round(value * 10_000) if sort is Sort.DECIMAL else value
        assert scalar_rule(sort, term, limits) is validator.is_valid(value), value


def test_a_long_text_is_not_counted() -> None:
    limits = Node.of({"maxLength": 5000}).limits()

    assert scalar_rule(Sort.STRING, "x" * 6000, limits) is True


@settings(deadline=None)
@given(
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2), st.dictionaries(st.text(), inner, max_size=2)
        ),
        max_leaves=3,
    )
)
def test_the_json_text_of_a_value_goes_with_its_kind(value: Any) -> None:
    text, kind = canonical(value).decode(), kind_of(value)

    assert json_rule(text, kind, Node.of({}).limits()) is True
    assert json_rule(text, "object" if kind != "object" else "array", Node.of({}).limits()) is False


def test_the_kind_of_a_value_is_one_that_the_schema_names() -> None:
    limits = Node.of({"type": "object"}).limits()

    assert json_rule("{}", "object", limits) is True
    assert json_rule("[]", "array", limits) is False
    assert json_rule("null", "null", limits) is True  # clients say so that it is absent
