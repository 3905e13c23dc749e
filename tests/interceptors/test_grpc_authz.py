"""A call as Envoy's authorization servers see it, and their answers as decisions."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]

from callgate.interceptors.grpc_authz import ExtAuthz
from callgate.interceptors.grpc_channel import Channel, GrpcError
from callgate.interceptors.grpc_messages import CHECK
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Decision, Request
from fakes.calls import a_principal
from fakes.clock import FakeClock
from fakes.grpc_target import GrpcTarget
from fakes.intercepting import a_request

OK = {"status": {"code": 0}}


def asked(answer: Any, request: Request | None = None, **more: Any) -> tuple[Any, Any]:
    """The decision, and the question as JSON."""
    target = GrpcTarget({CHECK: answer})

    async def run() -> Decision | None:
        async with target.serve() as address:
            said = {"address": address, "protocol": "ext_authz", **more}
            settings = GrpcSettings.model_validate(said)
            channel = Channel(settings, 5.0)
            try:
                authz = ExtAuthz(settings, channel, FakeClock(1_790_000_000.5))
                return await authz.ask(request or a_request(), None)
            finally:
                await channel.close()

    decision = asyncio.run(run())
    question = json_format.MessageToDict(target.asked[0], preserving_proto_field_name=True)
    return decision, question


def test_a_tool_call_is_the_request_that_an_agent_would_post() -> None:
    principal = a_principal("ada", tenant="acme", agent="bot", claims={"role": "clerk"})
    view = msgspec.structs.replace(
        a_request(), principal=principal, headers={"x-tenant": "acme", "mcp-name": "spoofed"}
    )
    decision, question = asked(OK, view)

    attributes = question["attributes"]
    http = attributes["request"]["http"]
    body = http.pop("body")
    assert decision is None
    assert json.loads(body) == {
        "jsonrpc": "2.0",
        "id": "c1",
        "method": "tools/call",
        "params": {"name": "refund", "arguments": {"customer": "c", "amount": 5}},
    }
    assert http == {
        "id": "c1",
        "method": "POST",
        "path": "/mcp/shop",
        "scheme": "http",
        "protocol": "HTTP/1.1",
        "size": str(len(body)),
        "headers": {
            "x-tenant": "acme",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": "refund",
        },
    }
    assert attributes["request"]["time"] == "2026-09-21T14:13:20.500Z"
    assert attributes["source"] == {
        "principal": "ada",
        "service": "bot",
        "labels": {"issuer": "https://idp", "kind": "jwt", "tenant": "acme"},
    }
    assert attributes["context_extensions"] == {"target": "shop", "tool": "refund"}
    metadata = attributes["metadata_context"]["filter_metadata"]
    assert metadata["envoy.filters.http.jwt_authn"] == {"verified_jwt": {"role": "clerk"}}
    assert metadata["callgate"]["principal"]["id"] == "ada"


def test_another_method_is_named_by_its_uri_and_claims_may_be_left_out() -> None:
    view = a_request(method_tool("shop", "resources/read"), arguments={"uri": "file:///ä"})
    _, question = asked(OK, view, omit=["claims"])

    attributes = question["attributes"]
    http = attributes["request"]["http"]
    assert json.loads(http["body"])["params"] == {"uri": "file:///ä"}
    assert http["headers"]["mcp-method"] == "resources/read"
    assert http["headers"]["mcp-name"].startswith("=?base64?")
    assert list(attributes["metadata_context"]["filter_metadata"]) == ["callgate"]


@pytest.mark.parametrize(
    ("answer", "reason", "note"),
    [
        (
            {
                "status": {"code": 7},
                "denied_response": {"status": {"code": 403}, "body": "Not\nyou."},
            },
            "Not you.",
            "denied, status 7 (HTTP 403)",
        ),
        ({"status": {"code": 16, "message": "Who?"}}, "Who?", "denied, status 16"),
        ({"status": {"code": 7}}, "The authorization server says no.", "denied, status 7"),
        ({"denied_response": {"body": "No."}}, "No.", "denied, status 0"),
        ({"status": {"code": 0}, "denied_response": {"body": "No."}}, "No.", "denied, status 0"),
        (
            {"status": {"code": 7}, "ok_response": {}},
            "The authorization server says no.",
            "denied, status 7",
        ),
    ],
)
def test_any_sign_of_a_no_is_one(answer: Any, reason: str, note: str) -> None:
    decision, _ = asked(answer)

    assert decision == Decision(refuse=reason, note=note)


@pytest.mark.parametrize("answer", [OK, {"ok_response": {}}, {"status": {}, "ok_response": {}}])
def test_a_yes_is_nothing_to_do(answer: Any) -> None:
    assert asked(answer)[0] is None


def test_a_yes_may_bring_headers_facts_and_labels() -> None:
    answer = {
        "ok_response": {
            "headers": [
                {"header": {"key": "X-User", "value": "ada"}},
                {"header": {"key": "x-raw", "raw_value": b"r"}},
            ]
        },
        "dynamic_metadata": {"risk": 3, "tags": "t"},
    }
    decision, _ = asked(answer, facts=["risk"], labels="tags")

    assert decision == Decision(
        headers={"x-user": "ada", "x-raw": "r"}, enrich={"risk": 3}, labels=("t",)
    )


def test_metadata_where_it_stood_before_is_read_too() -> None:
    answer = {"ok_response": {"dynamic_metadata": {"risk": 3}}}

    assert asked(answer, facts=["risk"])[0] == Decision(enrich={"risk": 3})


@pytest.mark.parametrize(
    ("answer", "words"), [(b"", "neither a status nor"), (b"\xff" * 9, "is no CheckResponse")]
)
def test_an_answer_that_says_nothing_is_no_yes(answer: bytes, words: str) -> None:
    with pytest.raises(GrpcError, match=words):
        asked(answer)


@pytest.mark.parametrize("status", [{}, {"status": {"code": 0}}, {"status": {"code": 13}}])
def test_a_server_that_says_that_it_failed_itself_has_failed(status: dict[str, Any]) -> None:
    answer = {**status, "error_response": {"status": {"code": 503}, "body": "No database."}}

    with pytest.raises(GrpcError, match="an error of its own"):
        asked(answer)
