"""The envelopes of both eras, and results that pass through byte for byte."""

from typing import Any

import pytest

from callgate.model import Era, FollowUp, Reply
from callgate.protocol.eras import LATEST_LEGACY, is_legacy_version, negotiate
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, Message
from callgate.protocol.mcp import (
    Envelope,
    MissingCapability,
    UnsupportedVersion,
    check_extension,
    check_version,
    is_tool_error,
    modern_envelope,
    read_use,
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
        capabilities={"elicitation": {}},
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
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": 7}),
        ("tools/call", {"name": ""}),
        ("tools/call", {"name": "x", "arguments": []}),
        ("tools/call", {"name": "x", "requestState": 1}),
        ("tools/call", {"name": "x", "inputResponses": None}),
        ("tools/call", {"name": "x", "inputResponses": []}),
        ("tools/call", {"name": "x", "inputResponses": {"k": 1}}),
        ("resources/read", {}),
        ("resources/read", {"uri": 1}),
        ("resources/subscribe", {"uri": ""}),
        ("prompts/get", {"arguments": {}}),
        ("tasks/get", {}),
    ],
)
def test_a_request_that_does_not_say_what_it_is_for_is_refused(method: str, params: Any) -> None:
    with pytest.raises(Malformed) as caught:
        read_use(Message(id=1, method=method, params=params), Era.MODERN)

    assert (caught.value.code, caught.value.message_id) == (INVALID_PARAMS, 1)


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("tools/call", {"name": "x"}, ("x", {}, None)),
        ("tools/call", {"name": "x", "arguments": None}, ("x", {}, None)),
        ("resources/read", {"uri": "u", "_meta": {}, "v": 1}, ("u", {"uri": "u", "v": 1}, None)),
        ("tasks/update", {"taskId": "t", "inputResponses": {"k": 1}}, ("t", ..., None)),
        ("completion/complete", {"ref": {}}, ("completion/complete", {"ref": {}}, None)),
        (
            "prompts/get",
            {"name": "p", "inputResponses": {"k": {}}, "requestState": "s"},
            ("p", {"name": "p"}, FollowUp(responses={"k": {}}, state="s")),
        ),
        ("tools/call", {"name": "x", "requestState": ""}, ("x", {}, FollowUp(state=""))),
    ],
)
def test_what_a_request_uses_is_read_from_its_params(
    method: str, params: Any, expected: Any
) -> None:
    name, arguments, follow_up = read_use(Message(id=1, method=method, params=params), Era.MODERN)

    wanted = params if expected[1] is ... else expected[1]
    assert (name, arguments, follow_up) == (expected[0], wanted, expected[2])


def test_in_the_handshake_era_there_is_nothing_to_follow_up() -> None:
    params = {"name": "x", "inputResponses": 5, "requestState": 5}

    assert read_use(Message(id=1, method="tools/call", params=params), Era.LEGACY)[2] is None


def test_a_level_of_logging_is_a_string() -> None:
    key = "io.modelcontextprotocol/logLevel"

    assert modern_envelope(a_request({**META, key: "info"})).log_level == "info"
    with pytest.raises(Malformed):
        modern_envelope(a_request({**META, key: 1}))


def test_a_tool_error_is_what_the_target_says_at_the_top_only() -> None:
    assert is_tool_error(Reply(body=b'{"isError":true,"content":[]}'))
    assert is_tool_error(Reply(body=b'{"code":1,"message":"x"}', is_error=True))
    assert not is_tool_error(Reply(body=b'{"content":[{"isError":true}]}'))


def test_methods_of_an_extension_are_for_clients_that_declare_it() -> None:
    message = Message(id=1, method="tasks/get", params={"taskId": "t"})
    declared: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}

    check_extension(message, Envelope(version="2026-07-28", capabilities=declared))
    with pytest.raises(MissingCapability) as caught:
        check_extension(message, Envelope(version="2026-07-28"))
    assert (caught.value.code, caught.value.data) == (-32021, {"requiredCapabilities": declared})
