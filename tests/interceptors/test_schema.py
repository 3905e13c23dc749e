"""Arguments and results hold what their schemas declare, or do not go on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.schema import MAX_TOOLS, Schema, SchemaSettings, load_schema
from callgate.scrutiny import Decision, Request, Result
from fakes.calls import a_principal, a_tool

OUTPUT = {
    "type": "object",
    "properties": {"total": {"type": "integer"}, "lines": {"items": {"properties": {"id": {"type": "string"}}}}},
    "required": ["total"],
}  # fmt: skip
WHO: dict[str, Any] = {"call_id": "c", "principal": a_principal()}


def schema(**settings: Any) -> Schema:
    return Schema(SchemaSettings(**settings))


def send(it: Schema, arguments: dict[str, Any], of: Any = None, **more: Any) -> str | None:
    view = Request(**WHO, tool=a_tool(schema=of, **more), arguments=arguments)
    decision = asyncio.run(it.on_request(view))
    return None if decision is None else decision.refuse


def receive(it: Schema, result: dict[str, Any], output: Any = OUTPUT) -> Decision | None:
    tool = a_tool() if output is None else a_tool(outputSchema=output)
    view = Result(**WHO, tool=tool, result=result, is_error=result.get("isError") is True)
    return asyncio.run(it.on_result(view))


def structured(value: Any, **more: Any) -> dict[str, Any]:
    return {
        "content": [{"type": "text", "text": json.dumps(value)}],
        "structuredContent": value,
        **more,
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"customer": "x", "amount": 1}, None),
        ({"customer": "x", "amount": 1, "ssh_key": "k"}, "The field $.ssh_key is not a parameter of this tool."),
        ({"customer": "x", "amount": 1, "Customer": "y"}, "The field $.Customer is not a parameter of this tool."),
        ({"customer": "x", "amount": 1, "\u0441ustomer": "y"}, "The field $.\u0441ustomer is not a parameter of this tool."),
        ({"customer": "x", "amount": 1, "note ": "y"}, "The field $['note '] is not a parameter of this tool."),
        ({"customer": "x", "amount": 1, "__proto__": {}}, "The field $.__proto__ is not a parameter of this tool."),
    ],
)  # fmt: skip
def test_only_declared_arguments_go_on_where_the_schema_is_closed(
    arguments: dict[str, Any], sentence: str | None
) -> None:
    assert send(schema(closed=True), arguments) == sentence
    assert send(schema(), arguments) is None


def test_a_schema_that_leaves_itself_open_is_left_open() -> None:
    it = schema(closed=True)

    assert (
        send(it, {"x": 1}, {"type": "object", "properties": {}, "additionalProperties": True})
        is None
    )
    assert send(it, {"x": 1}, {"type": "object"}) is None
    assert send(it, {"x": 1}, {"type": "object", "$ref": "https://example.com/x"}) == (
        "The tool refund cannot be called: its schema refers to 'https://example.com/x', "
        "which cannot be followed."
    )


def test_a_result_that_fits_goes_back_and_another_does_not() -> None:
    it = schema()

    assert receive(it, structured({"total": 1, "more": 2})) is None
    assert receive(it, structured({"total": "1"})) == Decision(
        withhold='The result is not what the tool declares. /total: is not of type "integer".'
    )
    assert receive(it, {"content": []}) == Decision(
        withhold="The result is not what the tool declares. The result has no structuredContent."
    )
    assert receive(it, structured([1])) == Decision(
        withhold='The result is not what the tool declares. The result: is not of type "object".'
    )


def test_what_has_no_schema_is_not_judged() -> None:
    it = schema()

    assert receive(it, {"content": []}, None) is None
    assert receive(it, {"content": [], "isError": True}) is None
    assert receive(it, {"resultType": "input_required", "inputRequests": {}}) is None
    assert receive(it, {"resultType": "something", "content": []}) is not None
    view = Result(
        **WHO, tool=a_tool(outputSchema=OUTPUT), result={"error": {"code": 1}}, is_error=True
    )
    assert asyncio.run(it.on_result(view)) is None


def test_a_misfit_can_be_labelled_or_ignored() -> None:
    misfit = structured({"total": "1"})

    assert receive(schema(results="label"), misfit) == Decision(
        labels=("schema_mismatch",), note='/total: is not of type "integer".'
    )
    assert receive(schema(results="ignore", closed=True), misfit) is None


@pytest.mark.parametrize(
    "output",
    [{"$ref": "https://example.com/x"}, {"$ref": "file:///etc/passwd"}, {"type": "nonsense"}, {"pattern": "("},
     {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}] * 200}, "b": {"allOf": [{"$ref": "#/$defs/c"}] * 200}, "c": {"allOf": [{}] * 200}}}],
)  # fmt: skip
def test_a_result_behind_a_schema_that_cannot_be_used_is_withheld(output: Any) -> None:
    decision = receive(schema(), structured({"total": 1}), output)

    assert decision is not None and decision.withhold is not None
    assert "The output schema of the tool refund" in decision.withhold


def test_projecting_keeps_what_is_declared_in_both_forms_of_the_result() -> None:
    result = structured(
        {"total": 1, "ssn": "x", "lines": [{"id": "a", "price": 1}]},
        _meta={"x": 1},
        resultType="complete",
    )
    result["content"].append({"type": "image", "data": "QQ=="})

    assert receive(schema(project=True), result) == Decision(
        result={
            "content": [{"type": "text", "text": '{"total":1,"lines":[{"id":"a"}]}'}],
            "structuredContent": {"total": 1, "lines": [{"id": "a"}]},
            "resultType": "complete",
        },
        note="only what is declared",
    )


def test_what_is_taken_out_may_have_been_all_that_did_not_fit() -> None:
    strict = {**OUTPUT, "additionalProperties": False}

    kept = receive(schema(project=True), structured({"total": 1, "x": 2}), strict)
    lost = receive(schema(project=True), structured({"x": 2}), strict)
    labelled = receive(schema(project=True, results="label"), structured({"x": 2}), strict)

    assert kept is not None and kept.result is not None
    assert (
        lost is not None
        and lost.withhold == "The result is not what the tool declares. /total is required."
    )
    assert labelled is not None and labelled.labels == ("schema_mismatch",)
    assert labelled.result == structured({})


def test_a_tool_that_declares_nothing_gets_nothing_through() -> None:
    it = schema(project=True)

    for output in (None, {"type": "object"}, {**OUTPUT, "additionalProperties": True}):
        decision = receive(it, structured({"total": 1, "secret": 2}), output)
        assert decision is not None and decision.withhold is not None
        assert "does not declare" in decision.withhold


def test_an_own_schema_stands_for_that_of_the_tools_also_for_json_in_a_text() -> None:
    it = schema(project=True, output=OUTPUT)
    text = {"content": [{"type": "text", "text": '{"total": 5, "secret": 1}'}]}

    assert receive(it, text, None) == Decision(
        result={"content": [{"type": "text", "text": '{"total":5}'}]}, note="only what is declared"
    )
    for content in (
        [],
        [{"type": "text", "text": "total: 5"}],
        [{"type": "image"}],
        text["content"] * 2,
        "x",
    ):
        assert receive(it, {"content": content}, None) == Decision(
            withhold="The result has no JSON, so that none of it may go back."
        )


def test_a_tool_that_changes_is_judged_by_its_new_schema() -> None:
    it = schema(closed=True)

    assert send(it, {"a": 1}, {"properties": {"a": {}}}) is None
    assert send(it, {"a": 1}, {"properties": {"b": {}}}) is not None
    for number in range(MAX_TOOLS + 2):
        send(it, {"a": 1}, {"properties": {"a": {"title": str(number)}}})
    assert send(it, {"a": 1}, {"properties": {"b": {}}}) is not None


@pytest.mark.parametrize(
    "wrong",
    [{"results": "ignore"}, {"output": {"type": "nonsense"}}, {"output": {"$ref": "https://x"}}, {"open": True}],
)  # fmt: skip
def test_settings_that_ask_for_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SchemaSettings(**wrong)


@pytest.mark.parametrize(
    ("settings", "points", "is_asked"),
    [
        ({"closed": True}, {"request"}, True),
        ({"closed": True}, {"result"}, False),
        ({"closed": True, "results": "label"}, {"request"}, False),
        ({"closed": True, "project": True}, {"request", "result"}, True),
        ({}, {"request"}, False),
        ({}, {"result"}, True),
    ],
)
def test_what_would_never_be_asked_is_refused(
    settings: dict[str, Any], points: set[str], is_asked: bool
) -> None:
    made = SchemaSettings(**settings)

    if is_asked:
        assert load_schema(made, frozenset(points))
    else:
        with pytest.raises(InterceptorError, match=r"needs? `on: "):
            load_schema(made, frozenset(points))
