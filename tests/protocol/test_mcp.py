"""The envelopes of both eras, and results that pass through byte for byte."""

from typing import Any

import pytest

from callgate.model import Era, Reply
from callgate.protocol.eras import LATEST_LEGACY, is_legacy_version, negotiate
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, Message, parse_json
from callgate.protocol.mcp import (
    Envelope,
    UnsupportedVersion,
    check_version,
    deliverable,
    is_tool_error,
    modern_envelope,
    read_tool_call,
)

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "x"},
    "progressToken": "p",
    "traceparent": "00-1",
    "com.example/k": {"a": 1},
}


def a_request(meta: Any) -> Message:
    return Message(id=1, method="tools/list", params={"_meta": meta})


def test_only_trace_context_and_vendor_keys_go_on() -> None:
    assert modern_envelope(a_request(META)) == Envelope(
        version="2026-07-28",
        client={"name": "x"},
        meta={"traceparent": "00-1", "com.example/k": {"a": 1}},
        progress_token="p",
    )


@pytest.mark.parametrize("key", sorted(META)[1:4])
def test_a_required_key_of_the_wrong_type_is_refused(key: str) -> None:
    with pytest.raises(Malformed) as caught:
        modern_envelope(a_request({**META, key: 7}))

    assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize("meta", [None, [], {"progressToken": 1}])
def test_a_modern_request_without_its_envelope_is_refused(meta: Any) -> None:
    with pytest.raises(Malformed):
        modern_envelope(a_request(meta))


def test_a_version_we_do_not_speak_is_answered_with_those_we_do() -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        check_version(a_request(META), "2027-01-01")

    assert caught.value.data["requested"] == "2027-01-01"
    assert "2026-07-28" in caught.value.data["supported"]


def test_initialize_gets_the_asked_version_or_our_newest_legacy_one() -> None:
    assert negotiate("2025-06-18") == "2025-06-18"
    assert negotiate("2024-11-05") == LATEST_LEGACY
    assert negotiate(None) == LATEST_LEGACY
    assert negotiate("2026-07-28") == LATEST_LEGACY
    assert is_legacy_version(None) and not is_legacy_version("2026-07-28")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": 7},
        {"name": ""},
        {"name": "x", "arguments": []},
        {"name": "x", "requestState": ""},
    ],
)
def test_a_tool_call_without_a_name_or_an_argument_object_is_refused(params: Any) -> None:
    with pytest.raises(Malformed):
        read_tool_call(Message(id=1, method="tools/call", params=params))


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"content":[],"x":1.10}', b'{"resultType":"complete","content":[],"x":1.10}'),
        (b" { } ", b'{"resultType":"complete"}'),
        (b'{"resultType":"complete","content":[]}', b'{"resultType":"complete","content":[]}'),
    ],
)
def test_a_modern_caller_gets_a_result_type_and_every_other_byte(body: bytes, sent: bytes) -> None:
    assert deliverable(Reply(body=body), Era.MODERN) == sent
    assert parse_json(sent)["resultType"] == "complete"


def test_a_legacy_caller_gets_the_bytes_of_the_target() -> None:
    body = b'{"content":[{"type":"x-new","odd":null}],"structuredContent":null,"$defs":{}}'

    assert deliverable(Reply(body=body), Era.LEGACY) == body


def test_a_tool_error_is_what_the_target_says_at_the_top_only() -> None:
    assert is_tool_error(Reply(body=b'{"isError":true,"content":[]}'))
    assert is_tool_error(Reply(body=b'{"code":1,"message":"x"}', is_error=True))
    assert not is_tool_error(Reply(body=b'{"content":[{"isError":true}]}'))
