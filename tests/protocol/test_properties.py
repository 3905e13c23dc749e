"""Whatever a target says, its parsers keep their promises: one meaning or their own error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.model import Reply
from callgate.protocol.definitions import Unusable, digest, read_tool
from callgate.protocol.effort import MAX_NODES, TooMuch, depth_of, max_depth
from callgate.protocol.outbound import cut_reply, read_fault, read_message, read_result
from fuzz.targets import STATUSES, TARGETS

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(texts, values, max_size=4)
layouts = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"indent": 1},
        {"ensure_ascii": False, "separators": (" ,\t", " : ")},
    ]
)


def an_object(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these keys, each as it should be or as it should not."""
    mixed = {key: strategy | values for key, strategy in optional.items()}
    return st.fixed_dictionaries({}, optional=mixed)


versions = st.sampled_from(["2026-07-28", "2025-11-25", "2024-11-05", "2031-01-01"])
results = an_object(
    resultType=st.sampled_from(["complete", "input_required", "task", "x"]),
    supportedVersions=st.lists(versions | values, max_size=3),
    protocolVersion=versions,
    capabilities=an_object(tools=an_object(listChanged=st.booleans()), prompts=objects),
    instructions=texts,
    isError=st.booleans(),
)
faults = an_object(
    code=st.sampled_from([-32601, -32020, -32021, -32022]),
    message=texts,
    data=an_object(supported=st.lists(versions | values, max_size=3)),
)
messages = an_object(
    jsonrpc=st.just("2.0"),
    id=st.integers(0, 9) | texts,
    method=st.sampled_from(["ping", "notifications/progress"]),
    params=objects,
    result=results,
    error=faults,
)


@given(objects, layouts, texts | st.integers(0, 2**53))
def test_a_result_is_cut_out_byte_for_byte(
    result: dict[str, Any], layout: dict[str, Any], message_id: str | int
) -> None:
    raw = json.dumps(result, **layout).encode()
    around = json.dumps({"jsonrpc": "2.0", "id": message_id, "result": 0}, **layout).encode()
    at = around.rindex(b"0")

    message = read_message(around[:at] + raw + around[at + 1 :])

    assert message.id == message_id
    assert cut_reply(message) == Reply(body=raw)
    assert read_result(message) == json.loads(raw)


@given(st.integers(-(2**31), 2**31), texts, objects, layouts)
def test_an_error_is_cut_out_byte_for_byte(
    code: int, text: str, more: dict[str, Any], layout: dict[str, Any]
) -> None:
    fault = {"data": more, "code": code, "message": text}
    raw = json.dumps(fault, **layout).encode()
    message = read_message(b'{"id":1,"error":' + raw + b"}")

    assert cut_reply(message) == Reply(body=raw, is_error=True)
    assert (read_fault(message).code, read_fault(message).message) == (code, text)


@given(messages, layouts)
def test_any_message_of_a_target_is_read_in_one_way_or_refused(
    message: dict[str, Any], layout: dict[str, Any]
) -> None:
    TARGETS["outbound"](json.dumps(message, **layout).encode())


@given(st.binary(max_size=40) | st.text('{}[]":,\\u0e1-a ', max_size=30).map(str.encode))
def test_any_bytes_of_a_target_are_a_message_or_refused(body: bytes) -> None:
    for name in ("outbound", "definitions"):
        TARGETS[name](body)


@given(values, values, st.booleans())
def test_any_is_error_is_read_by_its_value_at_the_top(
    value: Any, inner: Any, is_deep: bool
) -> None:
    result = {"isError": value, "x": {"isError": True if is_deep else inner}}
    TARGETS["outbound"](json.dumps({"id": 1, "result": result}).encode())


@given(st.integers(0, len(STATUSES) - 1), messages)
def test_any_answer_to_an_opening_question_is_judged(status: int, message: dict[str, Any]) -> None:
    TARGETS["negotiation"](bytes((status,)) + json.dumps(message).encode())


definitions = an_object(
    name=texts,
    inputSchema=an_object(
        type=st.just("object"),
        properties=st.dictionaries(texts, an_object(type=st.just("string")), max_size=2),
    ),
)


@given(definitions)
def test_any_definition_is_a_tool_or_unusable(definition: dict[str, Any]) -> None:
    TARGETS["definitions"](json.dumps(definition).encode())


@given(objects, objects)
def test_definitions_share_a_digest_only_where_they_mean_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    # As in the canonical form, 1 and 1.0 are one number, and true is none.
    def meaning(value: dict[str, Any]) -> str:
        def plain(item: object) -> object:
            if isinstance(item, float) and item.is_integer():
                return int(item)
            if isinstance(item, dict):
                return {key: plain(inner) for key, inner in item.items()}
            return [plain(inner) for inner in item] if isinstance(item, list) else item

        return json.dumps(plain(value), sort_keys=True)

    assert meaning(one) == meaning(other) or digest(one) != digest(other)
    assert digest(json.loads(json.dumps(one, indent=2))) == digest(one)


@given(texts)
def test_a_tool_has_a_name_that_can_be_shown(name: str) -> None:
    try:
        tool = read_tool("shop", {"name": name})
    except Unusable:
        assert not name.isprintable() or not name
        return
    assert tool.name == name


REFERENCES = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#c", "#/properties/x", "#/allOf/0"])
schemas = st.recursive(
    st.booleans() | st.fixed_dictionaries({"$ref": REFERENCES}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "allOf": st.lists(inner, min_size=1, max_size=3),
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "not": inner,
            "if": inner,
            "then": inner,
            "properties": st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "$ref": REFERENCES,
        },
    ),
    max_leaves=12,
)
nested: st.SearchStrategy[Any] = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=2) | st.lists(inner),
    max_leaves=15,
)


@settings(deadline=None)  # compiles a validator for each
@given(schemas, schemas, schemas, nested)
def test_what_may_be_checked_is_checked_soon(root: Any, one: Any, other: Any, value: Any) -> None:
    definitions = {"a": one, "b": other, "n": {"$anchor": "c", "items": one}}
    schema = {**(root if isinstance(root, dict) else {"not": root}), "$defs": definitions}

    TARGETS["effort"](json.dumps({"schema": schema, "value": value}).encode())


def unfolded(schema: dict[str, Any], node: Any, seen: tuple[str, ...], most: int) -> int:
    """The nodes that a schema of `allOf` and references unfolds to, counted one by one."""
    if not isinstance(node, dict) or most <= 0:
        return 1
    size = 1
    for part in node.get("allOf", ()):
        size += unfolded(schema, part, seen, most - size)
    reference = node.get("$ref")
    if reference is not None and reference not in seen:
        target = schema["$defs"][reference.removeprefix("#/$defs/")]
        size += unfolded(schema, target, (*seen, reference), most - size)
    return size


@given(st.integers(1, 16), st.integers(1, 4), st.integers(0, 3))
def test_a_schema_is_refused_exactly_where_it_unfolds_too_far(
    length: int, width: int, extra: int
) -> None:
    chain: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * width + [{}] * extra}
        for n in range(length)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": {**chain, f"d{length}": {}}}

    if unfolded(schema, schema, (), MAX_NODES + 1) > MAX_NODES:
        with pytest.raises(TooMuch):
            max_depth(schema)
    else:
        assert max_depth(schema) is None


@given(values, st.integers(0, 6))
def test_depth_is_what_recursion_would_count_up_to_the_limit(value: Any, limit: int) -> None:
    def depth(item: Any) -> int:
        inside = item.values() if isinstance(item, dict) else item
        is_container = isinstance(item, dict | list)
        return 1 + max(map(depth, inside)) if is_container and inside else 0

    assert depth_of(value, limit) == min(depth(value), limit + 1)


@given(st.text(max_size=12) | st.from_regex(r"\A(https?://)?[a-z.:\[\]0-9/@]{0,15}\Z"))
def test_no_host_or_origin_breaks_a_promise(text: str) -> None:
    TARGETS["origins"](text.encode())
