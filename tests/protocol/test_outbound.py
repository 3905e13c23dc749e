"""What is said is exact JSON around raw arguments; what is answered is cut out raw, or refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.model import NOTHING, Era, Offer, Ran, Reply
from callgate.protocol import outbound
from callgate.protocol.eras import (
    META_CAPABILITIES,
    META_CLIENT,
    META_LOG_LEVEL,
    META_VERSION,
)
from callgate.protocol.outbound import (
    Message,
    WireError,
    Words,
    answer,
    cancelled,
    cut_reply,
    mirrored_headers,
    modern_headers,
    not_offered,
    read_message,
    read_params,
    read_result,
)

WORDS = Words("1.2.3")
ENVELOPE = {
    META_VERSION: "2026-07-28",
    META_CLIENT: {"name": "callgate", "title": "Callgate", "version": "1.2.3"},
    META_CAPABILITIES: {},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text().filter(lambda key: key != "_meta"), json_values),
    st.integers(1, 2**53),
)
def test_a_request_says_what_was_given_in_either_era(params: dict[str, Any], number: int) -> None:
    raw = msgspec.json.encode(params)
    for era in Era:
        said = json.loads(WORDS.request(number, "resources/read", raw, WORDS.meta(era)))
        meta = {"_meta": ENVELOPE} if era is Era.MODERN else {}
        assert said == {
            "jsonrpc": "2.0",
            "id": number,
            "method": "resources/read",
            "params": {**params, **meta},
        }


@given(st.dictionaries(st.text(), json_values), st.none() | st.integers(1, 9))
def test_what_goes_onward_never_speaks_for_us(onward: dict[str, Any], token: int | None) -> None:
    spoofed = {**onward, META_VERSION: "x", META_CLIENT: {}, "progressToken": "x"}
    free = {
        key: value
        for key, value in onward.items()
        if key != "progressToken" and not key.startswith("io.modelcontextprotocol/")
    }
    own = {} if token is None else {"progressToken": token}
    assert json.loads(WORDS.meta(Era.MODERN, spoofed, token)) == {**ENVELOPE, **own, **free}
    legacy = WORDS.meta(Era.LEGACY, spoofed, token)
    assert json.loads(legacy or b"{}") == {**own, **free}


def test_params_are_not_touched() -> None:
    raw = b'{"b": 1.0 ,"big":123456789012345678901234567890'
    assert raw in WORDS.request(1, "x", raw + b"}", b"{}")


ROOTS = Offer(capabilities={"roots": {}}, digest="r")


def test_the_envelope_declares_what_this_client_offers_and_the_level_it_wants() -> None:
    meta = json.loads(WORDS.meta(Era.MODERN, {}, 7, ROOTS, "info"))
    assert meta == {
        **ENVELOPE,
        META_CAPABILITIES: {"roots": {}},
        META_LOG_LEVEL: "info",
        "progressToken": 7,
    }
    assert json.loads(WORDS.meta(Era.MODERN, offer=NOTHING)) == ENVELOPE
    assert WORDS.meta(Era.LEGACY, offer=ROOTS, log_level="info") == b""


def test_envelopes_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "MAX_ENVELOPES", 2)
    words = Words("1")
    for number in range(7):
        offer = Offer(capabilities={"n": number}, digest=str(number))
        said = json.loads(words.meta(Era.MODERN, offer=offer))
        assert said[META_CAPABILITIES] == {"n": number}
        assert len(words._envelopes) <= 2


def test_the_other_requests_are_well_formed() -> None:
    listed = json.loads(WORDS.list(3, Era.LEGACY, "next"))
    assert listed == {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "tools/list",
        "params": {"cursor": "next"},
    }
    assert json.loads(WORDS.list(3, Era.MODERN, None))["params"] == {"_meta": ENVELOPE}
    assert json.loads(WORDS.discover(1))["params"]["_meta"] == ENVELOPE
    greeting = json.loads(WORDS.initialize(1))["params"]
    assert greeting["protocolVersion"] == "2025-11-25"
    assert greeting["capabilities"] == {}
    assert json.loads(WORDS.initialize(1, ROOTS))["params"]["capabilities"] == {"roots": {}}
    listed = json.loads(WORDS.list(3, Era.MODERN, None, ROOTS))["params"]["_meta"]
    assert listed[META_CAPABILITIES] == {"roots": {}}
    wanted = {"toolsListChanged": True}
    listening = json.loads(WORDS.listen(1, wanted, ROOTS))
    assert listening["method"] == "subscriptions/listen"
    assert listening["params"]["notifications"] == wanted
    assert listening["params"]["_meta"][META_CAPABILITIES] == {"roots": {}}
    assert json.loads(cancelled(7))["params"]["requestId"] == 7


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (b"{}", None),
        (b'{"content":[]}', None),
        (b'{ "resultType" : "complete" }', "complete"),
        (b'{"nested":{"resultType":"task"}}', None),
        (b'{"e":"\\u00e9"}', None),
        (b'{"resultType":"input_required","requestState":"s"}', "input_required"),
        (b'{"\\u0072esultType":"task"}', "task"),
        (b'{"resultType":null}', None),
    ],
)
def test_a_result_is_cut_out_byte_for_byte(result: bytes, kind: str | None) -> None:
    message = read_message(b' {"jsonrpc":"2.0", "result": ' + result + b' ,"id":1}\r\n')
    assert cut_reply(message) == Reply(body=result, kind=kind)


SAYINGS = st.sampled_from(["resultType", "complete", "task", ',"resultType":"complete"}', "a"])
RESULTS = st.recursive(
    SAYINGS | st.integers(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SAYINGS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(SAYINGS, RESULTS, max_size=4))
def test_the_kind_of_a_result_is_what_it_says_itself_and_nothing_in_it_does(
    result: dict[str, Any],
) -> None:
    said = msgspec.json.encode(result)
    message = read_message(b'{"jsonrpc":"2.0","id":1,"result":%b}' % said)
    kind = result.get("resultType")
    if kind is None or kind in ("complete", "task"):
        assert cut_reply(message) == Reply(body=said, kind=kind)
    else:
        with pytest.raises(WireError):
            cut_reply(message)


def test_an_error_is_cut_out_byte_for_byte() -> None:
    error = b'{"code":-32602,"message":"no","data":{"a": 1.0},"x":null}'
    message = read_message(b'{"id":1,"error":' + error + b"}")
    assert cut_reply(message) == Reply(body=error, is_error=True)
    with pytest.raises(WireError, match="-32602"):
        read_result(message)


@pytest.mark.parametrize(
    ("body", "ran"),
    [
        (b'{"id":1}', Ran.UNKNOWN),
        (b'{"id":1,"result":{},"error":{"code":1,"message":""}}', Ran.UNKNOWN),
        (b'{"id":1,"result":null}', Ran.YES),
        (b'{"id":1,"result":[]}', Ran.YES),
        (b'{"id":1,"result":{"resultType":"unheard_of"}}', Ran.UNKNOWN),
        (b'{"id":1,"result":{"\\u0072esultType":"unheard_of"}}', Ran.UNKNOWN),
        (b'{"id":1,"result":{"resultType":1}}', Ran.UNKNOWN),
        (b'{"id":1,"error":{}}', Ran.UNKNOWN),
        (b'{"id":1,"error":"x"}', Ran.UNKNOWN),
    ],
)
def test_a_response_that_breaks_the_rules_is_refused(body: bytes, ran: Ran) -> None:
    with pytest.raises(WireError) as raised:
        cut_reply(read_message(body))
    assert raised.value.ran is ran


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"7",
        b"[]",
        b'{"id":1.5}',
        b'{"id":{}}',
        b'{"id":1',
        b'{"id":"\xff"}',
        b'{"method":7}',
        b'{"result":' + b"[" * 100_000,
        b'{"id":1}{"id":1}',
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        read_message(body)


def test_params_that_are_no_object_are_as_good_as_none() -> None:
    for body in (b'{"method":"x"}', b'{"method":"x","params":[1]}', b'{"method":"x","params":7}'):
        assert read_params(read_message(body)) == {}
    assert read_params(read_message(b'{"method":"x","params":{"a":1}}')) == {"a": 1}


def test_a_target_that_asks_gets_the_clients_own_answer_under_its_own_id() -> None:
    result = Reply(body=b'{"action" : "accept"}')
    assert b'{"action" : "accept"}' in answer(Message(id="q", method="x"), result)
    said = json.loads(answer(Message(id="q", method="x"), result))
    assert said == {"jsonrpc": "2.0", "id": "q", "result": {"action": "accept"}}
    error = Reply(body=b'{"code":-1,"message":"m"}', is_error=True)
    said = json.loads(answer(Message(id=7, method="x"), error))
    assert said == {"jsonrpc": "2.0", "id": 7, "error": {"code": -1, "message": "m"}}
    refused = json.loads(not_offered(Message(id=7, method="sampling/createMessage")))
    assert refused["error"]["code"] == -32601


def test_header_values_survive_http() -> None:
    assert modern_headers("tools/list") == [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/list"),
    ]
    assert modern_headers("tools/call", "a\r\nX: 1")[2] == ("Mcp-Name", "=?base64?YQ0KWDogMQ==?=")
    paths = {("a", "b"): "Deep", ("c",): "Gone"}
    assert mirrored_headers(paths, b'{"a":{"b":true}}') == [("Mcp-Param-Deep", "true")]
