"""Every text of a value is found under its field, also in JSON inside of a text."""

from typing import Any

import msgspec
import pytest

from callgate.interceptors.tainting.leaves import MAX_NAMES, declared_keys, leaves


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"to": "a", "n": 5}, [("/to", "a"), ("/n", "5")]),
        ({"to": ["a", {"to": "b"}]}, [("/to/[]", "a"), ("/to/[]/to", "b")]),
        ({"x": "a"}, [("/{}", "x"), ("/x", "a")]),
        ({"to": [65, 66, 67, 68, 69, 70]}, [("/to", "65 66 67 68 69 70")]),
        ({"to": '{"to":["b"]}'}, [("/to/to/[]", "b")]),
        ({"to": "{no json"}, [("/to", "{no json")]),
        ({"to": [True, None, 1.5]}, [("/to/[]", "1.5")]),
    ],
)
def test_a_leaf_stands_under_its_field(value: Any, found: list[tuple[str, str]]) -> None:
    assert list(leaves(value, frozenset({"to", "n"}))) == found


def test_keys_without_end_make_few_fields() -> None:
    value = {f"k{number}": "x" for number in range(1000)}

    assert len({field for field, _ in leaves(value)}) == MAX_NAMES + 2


def test_json_in_json_ends_somewhere() -> None:
    text = "deep"
    for _ in range(6):
        text = msgspec.json.encode([text]).decode()

    (leaf,) = leaves(text)
    assert leaf[0] == "/[]/[]/[]" and "deep" in leaf[1]


def test_a_text_that_is_too_deep_to_read_is_a_text() -> None:
    text = "[" * 100_000

    assert list(leaves(text)) == [("", text)]


def test_declared_keys_are_those_of_all_properties() -> None:
    schema = {
        "properties": {"a": {"type": "string"}, "b": {"items": {"properties": {"c": {}}}}},
        "anyOf": [{"properties": {"d": {}}}],
    }

    assert declared_keys(schema) == {"a", "b", "c", "d"}
