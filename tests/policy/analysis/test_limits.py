"""What an input schema says of single arguments: only what every valid value keeps."""

from callgate.policy.analysis.limits import NONE, Limits, Node, limits_along
from callgate.policy.schema import input_shape


def limits_of(schema: object) -> Limits:
    return Node.of({"type": "object", "properties": {"x": schema}}).field("x").limits()


def test_enums_bounds_and_lengths_are_read() -> None:
    assert limits_of({"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "multipleOf": 2}) == (
        Limits(minimum=1, below=9, step=2, kinds=("integer",))
    )
    assert limits_of({"enum": ["a", None]}) == Limits(options=("a", None))
    assert limits_of({"const": 4}) == Limits(options=(4,))
    assert limits_of({"type": ["string", "null"], "minLength": 2, "maxLength": 5}) == Limits(
        shortest=2, longest=5, kinds=("string",)
    )
    assert limits_of({"type": "array", "minItems": 1}) == Limits(fewest=1, kinds=("array",))


def test_a_place_where_null_may_stand_has_the_limits_of_the_rest() -> None:
    integer = {"type": "integer", "minimum": 3}

    assert limits_of({"anyOf": [integer, {"type": "null"}]}) == limits_of(integer)
    assert limits_of({"allOf": [integer]}) == limits_of(integer)


def test_of_several_alternatives_nothing_is_said() -> None:
    assert limits_of({"anyOf": [{"minimum": 1}, {"maximum": 5}]}) == NONE
    assert limits_of(True) == NONE
    assert limits_of({"exclusiveMinimum": True, "minimum": 1}) == Limits(minimum=1)


def test_references_are_followed_and_loops_end() -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a~1b"}, "loop": {"$ref": "#/$defs/loop"}},
        "$defs": {"a/b": {"enum": [1]}, "loop": {"$ref": "#/$defs/loop"}},
    }

    assert Node.of(schema).field("x").limits() == Limits(options=(1,))
    assert Node.of(schema).field("loop").limits() == NONE
    assert Node.of(schema).field("none").limits() == NONE


def test_items_and_required_properties_are_known() -> None:
    schema = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"enum": ["a"]}},
            "pair": {"type": "array", "prefixItems": [{}], "items": {"enum": ["a"]}},
        },
        "required": ["tags", 5],
        "additionalProperties": False,
    }
    node = Node.of(schema)

    assert node.field("tags").items().limits() == Limits(options=("a",))
    assert node.field("pair").items().limits() == NONE
    assert node.required() == {"tags"}
    assert not node.takes_undeclared()
    assert node.field("tags").takes_undeclared()


def test_tools_are_alike_where_all_limits_along_the_shape_are() -> None:
    schema = {
        "type": "object",
        "properties": {
            "o": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
            "l": {"type": "array", "items": {"type": "string", "minLength": 2}},
        },
    }

    found = dict(limits_along(input_shape(schema), Node.of(schema)))

    assert found[("o", "n")] == Limits(minimum=1, kinds=("integer",))
    assert found[("l", "[]")] == Limits(shortest=2, kinds=("string",))


def test_a_schema_with_patterns_takes_properties_that_it_does_not_name() -> None:
    closed = {"type": "object", "additionalProperties": False}

    assert not Node.of(closed).takes_undeclared()
    assert Node.of({**closed, "patternProperties": {"^x-": {}}}).takes_undeclared()
