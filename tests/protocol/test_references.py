"""A reference is followed only where every reader of the schema follows it to the same place."""

from typing import Any

import pytest

from callgate.protocol.references import References, Unresolved

PART = {"type": "string"}
URL = "https://x.example/s"


@pytest.mark.parametrize(
    ("root", "reference"),
    [
        ({"$defs": {"a": PART}}, "#/$defs/a"),
        ({"definitions": {"a": PART}}, "#/definitions/a"),
        ({"properties": {"x": {"anyOf": [{}, PART]}}}, "#/properties/x/anyOf/1"),
        ({"$defs": {"a/b~c d": PART}}, "#/$defs/a~1b~0c%20d"),
        ({"$defs": {"a": {"$anchor": "here", **PART}}}, "#here"),
        ({"$defs": {"a": {"$id": "part", **PART}}}, "part"),
    ],
)
def test_a_part_of_the_schema_is_found(root: dict[str, Any], reference: str) -> None:
    assert References(root).find(reference)["type"] == "string"


@pytest.mark.parametrize("reference", ["#", "", URL])
def test_the_schema_itself_is_found(reference: str) -> None:
    root = {"$id": URL, "type": "object"}

    assert References(root).find(reference) is root


@pytest.mark.parametrize(
    ("root", "reference"),
    [
        ({}, "https://example.org/x.json"),
        ({}, "#/$defs/missing"),
        ({}, "#nowhere"),
        ({}, ["#"]),
        ({}, "#/\n"),
        ({"anyOf": [PART]}, "#/anyOf/+0"),
        ({"anyOf": [PART]}, "#/anyOf/1"),
        ({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}, "#x"),
        ({"$defs": {"a": {"$id": "part"}}}, "#/$defs/a"),  # for a reader may be inside the part
        ({"$defs": {"a": {"$id": "../odd"}}}, "#/$defs/a"),
    ],
)
def test_what_is_not_certain_is_not_followed(root: dict[str, Any], reference: Any) -> None:
    references = References(root)

    for _ in range(2):
        with pytest.raises(Unresolved):
            references.find(reference)
