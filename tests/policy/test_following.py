"""Where a schema says something for certain, it is found; elsewhere nothing is told."""

from typing import Any

import pytest

from callgate.policy.following import Document


def place_of_x(schema: Any, **more: Any) -> Any:
    document = Document({"type": "object", "properties": {"x": schema}, **more})
    return document.member(document.top, "x")


LIMITED = {"type": "integer", "maximum": 5}


@pytest.mark.parametrize(
    "schema",
    [
        LIMITED,
        {"$ref": "#/$defs/limited"},
        {"$ref": "#/%24defs/limited"},
        {"$ref": "#named"},
        {"$ref": "#/$defs/again"},
        {"anyOf": [LIMITED, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"$ref": "#named"}]},
        {"allOf": [LIMITED]},
    ],
)
def test_what_a_place_says_is_found_behind_references_and_beside_null(schema: Any) -> None:
    definitions = {
        "limited": LIMITED,
        "again": {"$ref": "#/$defs/limited"},
        "anchored": {"$anchor": "named", **LIMITED},
    }

    found = place_of_x(schema, **{"$defs": definitions})

    assert found is not None
    assert found["maximum"] == 5


@pytest.mark.parametrize(
    "schema",
    [
        True,
        None,
        {"$ref": "#unknown"},
        {"$ref": "#/$defs/none"},
        {"$ref": "https://elsewhere.example/schema"},
        {"$ref": "#/properties/x"},
        {"anyOf": [LIMITED, {"type": "string"}]},
    ],
)
def test_where_it_is_not_certain_nothing_is_told(schema: Any) -> None:
    assert place_of_x(schema) is None


@pytest.mark.parametrize(
    ("draft", "is_known"),
    [
        ("https://json-schema.org/draft/2020-12/schema", True),
        ("http://json-schema.org/draft-07/schema#", True),
        ("http://json-schema.org/draft-04/schema#", False),
        ("https://rules.example/own", False),
    ],
)
def test_only_of_known_drafts_anything_is_told(draft: str, is_known: bool) -> None:
    found = place_of_x({"const": 5}, **{"$schema": draft})

    assert (found is not None) is is_known


def test_beside_a_reference_at_the_top_nothing_is_told() -> None:
    assert place_of_x(LIMITED, **{"$ref": "#/$defs/other"}) is None


def test_items_are_told_where_all_have_the_same() -> None:
    document = Document({})

    assert document.items({"items": LIMITED}) == LIMITED
    assert document.items({"prefixItems": [{}], "items": LIMITED}) is None
    assert document.items(None) is None
