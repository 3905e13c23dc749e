"""Builders make whole views of as little as a test says."""

from typing import Any

import pytest

from callgate.interceptors import Listed, Message, Request, Result
from callgate.model import Principal
from callgate.testing import (
    a_list,
    a_message,
    a_principal,
    a_request,
    a_result,
    a_text,
    a_tool,
)


def test_a_request_is_of_somebody_and_some_tool() -> None:
    request = a_request({"amount": 5}, headers={"x-team": "blue"})

    assert type(request) is Request
    assert (request.arguments, request.headers) == ({"amount": 5}, {"x-team": "blue"})
    assert (request.principal.id, request.tool.qualified_name) == ("ada", "shop___refund")
    assert a_request().arguments == {}


def test_arguments_are_a_copy_of_those_given() -> None:
    given = {"amount": 5}

    a_request(given).arguments.clear()

    assert given == {"amount": 5}


def test_a_principal_is_written_out_or_named() -> None:
    eve = a_principal("eve", "ops", "leads", agent="helper", claims={"role": "lead"})

    assert a_request(principal="eve").principal == a_principal("eve")
    assert a_request(principal=eve).principal is eve
    assert (eve.groups, eve.agent, eve.claims) == (("ops", "leads"), "helper", {"role": "lead"})


def test_a_tool_is_as_a_target_would_list_it() -> None:
    schema = {"type": "object", "required": ["amount"]}
    tool = a_tool("desk___pay", schema, annotations={"destructiveHint": True})

    assert (tool.target, tool.name, tool.input_schema) == ("desk", "pay", schema)
    assert tool.definition["annotations"] == {"destructiveHint": True}
    assert len(tool.digest) == 64 and tool.digest != a_tool("desk___pay").digest


def test_a_method_of_mcp_is_a_tool_too() -> None:
    assert a_tool("shop___resources/read").method == "resources/read"


@pytest.mark.parametrize("name", ["refund", ""])
def test_a_name_without_a_target_is_told_apart(name: str) -> None:
    with pytest.raises(ValueError, match="<target>___<tool>"):
        a_tool(name)


@pytest.mark.parametrize(
    ("given", "result", "is_error"),
    [
        ("hello", {"content": [{"type": "text", "text": "hello"}]}, False),
        ({"content": []}, {"content": []}, False),
        (a_text("no", isError=True), a_text("no", isError=True), True),
        ({"error": {"code": 1, "message": "x"}}, {"error": {"code": 1, "message": "x"}}, True),
    ],
)
def test_a_result_is_a_text_or_whole(given: Any, result: Any, is_error: bool) -> None:
    made = a_result(given, arguments={"amount": 5})

    assert type(made) is Result
    assert (made.result, made.is_error, made.arguments) == (result, is_error, {"amount": 5})


def test_messages_and_lists() -> None:
    message = a_message({"level": "info", "data": "x"}, method="notifications/message")
    listed = a_list(a_tool("git___log"), {"name": "own"}, target="desk")

    assert (type(message), message.method) == (Message, "notifications/message")
    assert message.params == {"level": "info", "data": "x"}
    assert a_message().params == {"progressToken": 1, "progress": 1}
    assert (type(listed), listed.tool.method) == (Listed, "tools/list")
    assert listed.targets == ("git", "desk")
    assert [item["name"] for item in listed.items] == ["log", "own"]
    assert isinstance(listed.principal, Principal)
