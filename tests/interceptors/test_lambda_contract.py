"""What a function is sent: AgentCore's contract 1.0, field by field."""

import json
from typing import Any

import pytest

from callgate.interceptors.lambda_answers import ContractError
from callgate.interceptors.lambda_contract import of_list, of_request, of_result
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Decision
from fakes.intercepting import a_list, a_request, a_result

BODY = {
    "jsonrpc": "2.0",
    "id": "c1",
    "method": "tools/call",
    "params": {"name": "shop___refund", "arguments": {"customer": "c", "amount": 5}},
}
HEADERS = {"authorization": "Bearer t"}


def event_of_request(**more: Any) -> dict[str, Any]:
    return of_request(a_request(**more), with_headers=False).event


def test_a_request_is_sent_as_agentcore_sends_it() -> None:
    event = event_of_request(headers=HEADERS)

    raw = event["mcp"].pop("rawGatewayRequest")["body"]
    assert json.loads(raw) == BODY
    assert event == {
        "interceptorInputVersion": "1.0",
        "mcp": {
            "gatewayRequest": {
                "path": "/mcp",
                "httpMethod": "POST",
                "headers": {},
                "body": BODY,
            }
        },
    }


def test_headers_are_passed_only_where_that_is_set() -> None:
    request = a_request(headers=HEADERS)

    event = of_request(request, with_headers=True).event

    assert event["mcp"]["gatewayRequest"]["headers"] == HEADERS


def test_a_result_is_sent_with_its_request() -> None:
    result = {"content": [{"type": "text", "text": "done"}]}

    event = of_result(a_result(result, headers=HEADERS), with_headers=True).event

    raw = event["mcp"].pop("rawGatewayRequest")["body"]
    assert json.loads(raw) == BODY
    assert event["mcp"] == {
        "gatewayRequest": {
            "path": "/mcp",
            "httpMethod": "POST",
            "headers": HEADERS,
            "body": BODY,
        },
        "gatewayResponse": {
            "statusCode": 200,
            "headers": {"content-type": "application/json"},
            "body": {"jsonrpc": "2.0", "id": "c1", "result": result},
            "isStreamingResponse": False,
        },
    }


def test_an_error_of_the_protocol_is_one_there_too() -> None:
    error = {"code": -32000, "message": "no"}

    event = of_result(a_result({"error": error}, is_error=True), with_headers=False).event

    assert event["mcp"]["gatewayResponse"]["body"] == {"jsonrpc": "2.0", "id": "c1", "error": error}


def test_a_failed_tool_has_a_result_even_if_it_is_called_error() -> None:
    for result in ({"error": "x", "isError": True, "content": []}, {"error": "x"}):
        event = of_result(
            a_result(result, is_error=result.get("isError") is True), with_headers=False
        ).event
        assert event["mcp"]["gatewayResponse"]["body"]["result"] == result


@pytest.mark.parametrize(
    ("method", "arguments", "shown"),
    [
        ("resources/read", {"uri": "file:///x"}, {"uri": "shop+file:///x"}),
        ("resources/subscribe", {"uri": "file:///x"}, {"uri": "shop+file:///x"}),
        ("prompts/get", {"name": "greet"}, {"name": "shop___greet"}),
        ("tasks/get", {"taskId": "t"}, {"taskId": "t"}),
        ("logging/setLevel", {"level": "info"}, {"level": "info"}),
    ],
)
def test_other_methods_name_things_as_the_aggregated_route_does(
    method: str, arguments: dict[str, Any], shown: dict[str, Any]
) -> None:
    request = a_request(method_tool("shop", method), arguments=arguments, meta={"k": 1})

    exchange = of_request(request, with_headers=False)

    body = exchange.event["mcp"]["gatewayRequest"]["body"]
    assert (body["method"], body["params"]) == (method, {**shown, "_meta": {"k": 1}})
    changed = {**body, "params": {**shown, "more": 1}}
    decision = exchange.decision(
        {
            "interceptorOutputVersion": "1.0",
            "mcp": {"transformedGatewayRequest": {"body": changed}},
        }
    )
    assert decision == Decision(arguments={**arguments, "more": 1})


def test_what_a_target_asks_is_a_streamed_response() -> None:
    tool = method_tool("shop", "elicitation/create")

    event = of_request(a_request(tool, arguments={"message": "?"}), with_headers=False).event

    assert event["mcp"]["gatewayRequest"]["body"] == {}
    assert event["mcp"]["gatewayResponse"] == {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "isStreamingResponse": True,
        "body": {
            "jsonrpc": "2.0",
            "id": "c1",
            "method": "elicitation/create",
            "params": {"message": "?"},
        },
    }


def test_what_the_client_answers_a_target_is_a_request() -> None:
    tool = method_tool("shop", "elicitation/create")
    answer = {"action": "accept", "content": {"name": "Ada"}}

    event = of_result(a_result(answer, tool), with_headers=False).event

    assert "gatewayResponse" not in event["mcp"]
    assert event["mcp"]["gatewayRequest"]["body"] == {
        "jsonrpc": "2.0",
        "id": "c1",
        "result": answer,
    }


@pytest.mark.parametrize(("route", "name"), [("", "shop___refund"), ("shop", "refund")])
def test_a_list_has_full_names_whatever_its_route(route: str, name: str) -> None:
    listed = a_list({"name": name, "description": "d"}, {"name": name + "2"}, target=route)

    exchange = of_list(listed, with_headers=False)

    mcp = exchange.event["mcp"]
    assert mcp["gatewayRequest"]["body"]["method"] == "tools/list"
    answer = mcp["gatewayResponse"]["body"]
    assert [tool["name"] for tool in answer["result"]["tools"]] == [
        "shop___refund",
        "shop___refund2",
    ]
    kept = {**answer, "result": {"tools": answer["result"]["tools"][:1]}}
    output = {
        "interceptorOutputVersion": "1.0",
        "mcp": {"transformedGatewayResponse": {"statusCode": 200, "body": kept}},
    }
    assert exchange.decision(output) == Decision(items=[{"name": name, "description": "d"}])


@pytest.mark.parametrize(
    ("method", "member", "item"),
    [
        ("resources/list", "resources", {"uri": "file:///x", "name": "x"}),
        ("resources/templates/list", "resourceTemplates", {"uriTemplate": "f:///{x}", "name": "x"}),
        ("prompts/list", "prompts", {"name": "greet"}),
    ],
)
def test_every_list_comes_back_as_it_was(method: str, member: str, item: dict[str, Any]) -> None:
    gone = {key: f"{value}2" for key, value in item.items()}
    exchange = of_list(a_list(item, gone, target="shop", method=method), with_headers=False)
    answer = exchange.event["mcp"]["gatewayResponse"]["body"]
    answer = {**answer, "result": {member: answer["result"][member][:1]}}

    output = {
        "interceptorOutputVersion": "1.0",
        "mcp": {"transformedGatewayResponse": {"body": answer}},
    }

    assert exchange.decision(output) == Decision(items=[item])


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (None, "returned NoneType"),
        ([], "returned list"),
        ("text", "returned str"),
        ({}, "interceptorOutputVersion is None"),
        ({"interceptorOutputVersion": "2.0", "mcp": {}}, "interceptorOutputVersion is '2.0'"),
        ({"interceptorOutputVersion": 1.0, "mcp": {}}, "interceptorOutputVersion is 1.0"),
        ({"interceptorOutputVersion": "1.0"}, "no object `mcp`"),
        ({"interceptorOutputVersion": "1.0", "mcp": []}, "no object `mcp`"),
    ],
)
def test_an_answer_of_another_shape_or_version_is_none(output: Any, problem: str) -> None:
    exchange = of_request(a_request(), with_headers=False)

    with pytest.raises(ContractError, match=problem):
        exchange.decision(output)
