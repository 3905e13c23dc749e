"""What ExtMcp servers see and say: requests, results and lists as the JSON of MCP."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]

from callgate.interceptors.grpc_channel import Channel, GrpcError
from callgate.interceptors.grpc_ext_mcp import ExtMcp
from callgate.interceptors.grpc_messages import CHECK_REQUEST, CHECK_RESPONSE
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Decision
from fakes.grpc_target import GrpcTarget
from fakes.intercepting import a_list, a_request, a_result

PASS: dict[str, Any] = {"pass": {}}


def asked(answer: Any, view: Any = None, **more: Any) -> tuple[Decision | None, GrpcTarget]:
    target = GrpcTarget({CHECK_REQUEST: answer, CHECK_RESPONSE: answer})

    async def run() -> Decision | None:
        async with target.serve() as address:
            said = {"address": address, "protocol": "ext_mcp", **more}
            settings = GrpcSettings.model_validate(said)
            channel = Channel(settings, 5.0)
            try:
                return await ExtMcp(settings, channel).ask(view or a_request(), None)
            finally:
                await channel.close()

    return asyncio.run(run()), target


def mutated(value: Any) -> dict[str, Any]:
    return {"mutated": json.dumps(value).encode()}


def test_a_tool_call_is_shown_in_the_targets_own_names() -> None:
    view = msgspec.structs.replace(a_request(), headers={"x-tenant": "acme"})
    decision, target = asked(PASS, view)

    (question,) = target.asked
    assert decision is None and target.paths == [CHECK_REQUEST]
    assert (list(question.service_names), question.method) == (["shop"], "tools/call")
    assert json.loads(question.mcp_request) == {
        "name": "refund",
        "arguments": {"customer": "c", "amount": 5},
    }
    assert [(one.key, one.value) for one in question.headers] == [("x-tenant", b"acme")]
    told = json_format.MessageToDict(question.metadata_context)
    assert (told["call_id"], told["principal"]["id"]) == ("c1", "ada")


def test_arguments_are_changed_and_headers_facts_and_labels_come_along() -> None:
    answer = {
        **mutated({"name": "refund", "arguments": {"amount": 1}}),
        "header_mutation": {
            "set": [{"key": "X-A", "value": b"1"}, {"key": "x-a", "value": b"2"}],
            "remove": ["cookie"],
        },
        "metadata": {"risk": 7, "tags": "t"},
    }
    decision, _ = asked(answer, facts=["risk"], labels="tags")

    assert decision == Decision(
        arguments={"amount": 1}, headers={"x-a": "1, 2"}, enrich={"risk": 7}, labels=("t",)
    )


def test_what_comes_along_with_a_pass_counts_as_well() -> None:
    answer = {**PASS, "header_mutation": {"set": [{"key": "a", "value": b"1"}]}}

    assert asked(answer)[0] == Decision(headers={"a": "1"})


def test_params_of_other_methods_are_changed_whole() -> None:
    view = a_request(method_tool("shop", "prompts/get"), arguments={"name": "a"})
    decision, target = asked(mutated({"name": "b"}), view)

    assert target.asked[0].mcp_request == b'{"name":"a"}'
    assert decision == Decision(arguments={"name": "b"})


def test_results_errors_and_lists_are_shown_and_changed() -> None:
    result, seen = asked(mutated({"content": []}), a_result({"content": [1]}))
    error, shown = asked(PASS, a_result({"error": {"code": 1, "message": "no"}}))
    view = a_list({"name": "shop___a"}, {"name": "shop___b"}, target="shop")
    tools, listed = asked(mutated({"tools": [{"name": "shop___a"}]}), view)

    assert result == Decision(result={"content": []})
    assert seen.paths == [CHECK_RESPONSE]
    assert json.loads(seen.asked[0].mcp_response) == {"content": [1]}
    assert error is None
    assert json.loads(shown.asked[0].mcp_response) == {"error": {"code": 1, "message": "no"}}
    assert tools == Decision(items=[{"name": "shop___a"}])
    assert (list(listed.asked[0].service_names), listed.asked[0].method) == (["shop"], "tools/list")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 1, "reason": "Not\nyou."}, "Not you."),
        ({"mcp_error": b'{"code":-1,"message":"Ask ops."}'}, "Ask ops."),
        ({"code": 1}, "The policy server says: permission denied."),
        ({"code": 2}, "The policy server says: resource exhausted."),
        ({"code": 99, "mcp_error": b"junk"}, "The policy server says: no."),
    ],
)
def test_an_error_refuses_a_request_and_withholds_a_result(error: Any, reason: str) -> None:
    note = f"error, code {error.get('code', 0)}"

    assert asked({"error": error})[0] == Decision(refuse=reason, note=note)
    assert asked({"error": error}, a_result({}))[0] == Decision(withhold=reason, note=note)
    assert asked({"error": error}, a_list({"name": "a"}))[0] == Decision(withhold=reason, note=note)


@pytest.mark.parametrize(
    ("answer", "view", "words"),
    [
        (b"", None, "holds no result"),
        ({"metadata": {}}, None, "holds no result"),
        (b"\xff" * 9, None, "is no McpRequestResult"),
        ({"mutated": b'{"a":1,"a":2}'}, None, "not JSON to rely on"),
        ({"mutated": b""}, None, "not JSON to rely on"),
        (mutated([1]), None, "not an object"),
        (mutated({"name": "other", "arguments": {}}), None, "changes the tool"),
        (mutated({"name": "refund", "arguments": {}, "_meta": {}}), None, "changes the tool"),
        (mutated("text"), a_result({}), "not an object"),
        (mutated({"tools": [], "x": 1}), a_list({"name": "a"}, target="shop"), "`tools`"),
    ],
)
def test_junk_and_what_may_not_be_changed_are_failures(answer: Any, view: Any, words: str) -> None:
    with pytest.raises(GrpcError, match=words):
        asked(answer, view)
