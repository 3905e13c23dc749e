"""Scalars are found with their pointers, also inside of texts, within bounds."""

import json

from hypothesis import given
from hypothesis import strategies as st

from callgate.review.leaves import MAX_DEPTH, MAX_LEAVES, Leaf, leaves, result_leaves

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


def test_texts_and_numbers_come_in_order_with_their_pointers() -> None:
    value = {"a": "x", "b": [1, {"c/d": 2.5}], "e": True, "f": None}

    assert list(leaves(value)) == [Leaf("/a", "x"), Leaf("/b/0", 1), Leaf("/b/1/c~1d", 2.5)]
    assert [leaf.field for leaf in leaves(value)] == ["a", "b", "c~1d"]


def test_json_in_a_text_is_opened_three_times() -> None:
    value = {"a": json.dumps({"b": json.dumps({"c": json.dumps({"d": json.dumps({"e": 1})})})})}

    (leaf,) = leaves(value)
    assert leaf.path == "/a#/b#/c#/d"
    assert leaf.value == '{"e": 1}'


def test_a_result_says_its_fields_first_and_not_its_kinds() -> None:
    content = {
        "content": [{"type": "text", "text": "hello"}],
        "structuredContent": {"id": 7},
        "_meta": {"x": "y"},
    }

    assert list(result_leaves(content)) == [
        Leaf("/structuredContent/id", 7),
        Leaf("/content/0/text", "hello"),
    ]
    assert list(result_leaves("just a text")) == [Leaf("/", "just a text")]


def test_there_are_bounds() -> None:
    deep = 1
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]  # type: ignore[assignment]

    assert list(leaves(deep)) == []
    assert len(list(leaves(list(range(MAX_LEAVES + 10))))) == MAX_LEAVES


@given(JSON)
def test_whatever_there_is_can_be_read(value: object) -> None:
    for leaf in leaves(value):
        assert leaf.path.startswith("/")
        assert isinstance(leaf.value, (str, int, float))
