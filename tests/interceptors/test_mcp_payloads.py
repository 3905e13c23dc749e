"""Calls as payloads, and payloads as wishes: what may change, and what must not."""

from typing import Any

import msgspec
import pytest

from callgate.interceptors.mcp_descriptors import McpError
from callgate.interceptors.mcp_payloads import Matter, context_of, matter_of, meta_of
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Decision, Request
from fakes.calls import a_principal
from fakes.intercepting import a_list, a_request, a_result

CALL = {"method": "tools/call", "params": {"name": "refund", "arguments": {"amount": 1}}}


def request_of(method: str, **arguments: Any) -> Request:
    return msgspec.structs.replace(a_request(method_tool("shop", method)), arguments=arguments)


def matter(view: Any, **more: Any) -> Matter:
    return matter_of(view, **{"is_bare": False, **more})


def test_a_tool_call_is_its_request_and_comes_back_as_arguments() -> None:
    whole = matter(a_request(arguments={"amount": 1}))
    bare = matter(a_request(arguments={"amount": 1}), is_bare=True)

    assert (whole.event, whole.phase, whole.payload) == ("tools/call", "request", CALL)
    assert bare.payload == CALL["params"]
    assert whole.wanted(CALL) == bare.wanted(CALL["params"]) == Decision(arguments={"amount": 1})
    assert bare.wanted({"name": "refund"}) == Decision(arguments={})


def test_another_method_is_its_params() -> None:
    read = matter(request_of("resources/read", uri="file:///a"))

    assert read.payload == {"method": "resources/read", "params": {"uri": "file:///a"}}
    changed = {"method": "resources/read", "params": {"uri": "file:///b"}}
    assert read.wanted(changed) == Decision(arguments={"uri": "file:///b"})


def test_results_and_lists_are_what_came() -> None:
    result = matter(a_result({"content": []}))
    tools = matter(a_list({"name": "a"}, target="shop"))
    templates = matter(a_list({"uriTemplate": "a"}, method="resources/templates/list"))

    assert (result.phase, result.payload) == ("response", {"content": []})
    assert result.wanted({"content": [1]}) == Decision(result={"content": [1]})
    assert (tools.phase, tools.payload) == ("response", {"tools": [{"name": "a"}]})
    assert tools.wanted({"tools": []}) == Decision(items=[])
    assert templates.payload == {"resourceTemplates": [{"uriTemplate": "a"}]}


@pytest.mark.parametrize(
    ("view", "payload"),
    [
        (a_request(), "text"),
        (a_request(), {}),
        (a_request(), {**CALL, "method": "prompts/get"}),
        (a_request(), {**CALL, "id": 7}),
        (a_request(), {**CALL, "params": []}),
        (a_request(), {**CALL, "params": {"name": "other", "arguments": {}}}),
        (a_request(), {**CALL, "params": {"arguments": {}}}),
        (a_request(), {**CALL, "params": {"name": "refund", "arguments": []}}),
        (a_request(), {**CALL, "params": {"name": "refund", "_meta": {}}}),
        (a_result({}), [1]),
        (a_list({"name": "a"}, target="shop"), {"tools": {}}),
        (a_list({"name": "a"}, target="shop"), {"tools": [], "nextCursor": "x"}),
    ],
)
def test_what_no_mutator_may_change_is_a_fault(view: Any, payload: Any) -> None:
    with pytest.raises(McpError):
        matter(view).check(payload)


@pytest.mark.parametrize(
    ("kind", "kind_there"), [("jwt", "user"), ("api_key", "service"), ("anonymous", "anonymous")]
)
def test_who_calls_is_told_with_claims_or_without(kind: str, kind_there: str) -> None:
    principal = a_principal("ada", kind=kind, claims={"role": "x"})
    view = msgspec.structs.replace(a_request(), principal=principal)

    told = context_of(view, 0.0, omit=frozenset())
    short = context_of(view, 0.0, omit=frozenset({"claims"}))

    assert told == {
        "principal": {
            "type": kind_there,
            "id": "ada",
            "claims": {"role": "x", "iss": "https://idp"},
        },
        "timestamp": "1970-01-01T00:00:00.000Z",
    }
    assert short["principal"] == {"type": kind_there, "id": "ada"}


def test_a_session_is_one_per_principal_and_run_and_gives_neither_away() -> None:
    def session(who: str, run: str) -> Any:
        view = msgspec.structs.replace(a_request(), principal=a_principal(who), run=run)
        return context_of(view, 0.0, omit=frozenset()).get("sessionId")

    assert session("ada", "s") == session("ada", "s") != session("bob", "s")
    assert session("ada", "t") != session("ada", "s")
    assert "s3cret" not in session("ada", "s3cret") and session("ada", "") is None


def test_traces_go_on_and_junk_does_not() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    view = msgspec.structs.replace(a_request(), meta={"traceparent": trace, "other": 1})
    odd = msgspec.structs.replace(a_request(), meta={"traceparent": 5})

    told = context_of(view, 0.0, omit=frozenset())
    assert told["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert told["spanId"] == "00f067aa0ba902b7"
    assert meta_of(view) == {
        "callgate/call": {"id": "c1", "target": "shop", "tool": "refund"},
        "traceparent": trace,
    }
    assert "traceId" not in context_of(odd, 0.0, omit=frozenset())
