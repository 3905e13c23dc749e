import json
from typing import Any

import msgspec
import pytest

from callgate.model import Call, Client, Era, Reply
from callgate.protocol.bridge import deliverable, modern_status, url_required
from fakes.calls import a_call, a_tool


def delivered(body: Any, *, is_error: bool = False, **more: Any) -> Any:
    call = a_call(tool=a_tool(), **more)
    text = json.dumps(body, separators=(",", ":")).encode()
    return json.loads(deliverable(call, Reply(body=text, is_error=is_error)).body)


def read(era: Era, **more: Any) -> dict[str, Any]:
    return {
        "method": "resources/read",
        "era": era,
        "requested_name": "shop+demo://a",
        "arguments": {"uri": "demo://a"},
        **more,
    }


def test_a_legacy_caller_gets_the_targets_own_bytes() -> None:
    reply = Reply(body=b'{ "content" : [] , "x" : 1.50 }')

    assert deliverable(a_call(era=Era.LEGACY, tool=a_tool()), reply) is reply


def test_a_modern_caller_is_told_that_a_legacy_result_is_complete() -> None:
    assert delivered({"content": []}) == {"resultType": "complete", "content": []}
    assert delivered({}) == {"resultType": "complete"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents":7}',
        b'{"contents":true}',
        b'{"contents":[7,{"uri":7},{"uri":"demo://a"}],"x":1e999,"y":1.50}',
        b'{"resultType":null}',
        b'{"\\u0072esultType":"complete","content":[]}',
        b'{"content":[{"type":"resource_link","uri":"demo://a"}, 7],"x":1e999,"y":1.50}',
        b'{"content":"resource_link"}',
    ],
)
@pytest.mark.parametrize("era", Era)
def test_any_result_is_delivered_with_one_reading_and_its_own_numbers(
    body: bytes, era: Era
) -> None:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    for more in (read(era), {"era": era}):
        call = a_call(tool=a_tool(), **more)
        sent = deliverable(call, Reply(body=body)).body
        said = json.loads(sent, object_pairs_hook=members)
        assert (b"1e999" in sent, b"1.50" in sent) == (b"1e999" in body, b"1.50" in body)
        assert era is Era.LEGACY or said["resultType"] == "complete"


def test_any_error_is_delivered_with_its_own_numbers() -> None:
    body = b'{"code":-32042,"message":"","x":1e999,"data":{"elicitations":[7]}}'
    reply = Reply(body=body, is_error=True)

    sent = deliverable(a_call(tool=a_tool()), reply).body
    assert json.loads(sent)["code"] == -32602
    assert b"1e999" in sent
    assert modern_status(sent) == 400
    assert url_required(reply) is None


def test_a_result_that_names_its_type_is_left_alone() -> None:
    reply = Reply(body=b'{"content":[],"resultType":"complete"}')

    assert deliverable(a_call(tool=a_tool()), reply) is reply


def test_a_word_in_the_text_of_a_result_is_no_member_of_it() -> None:
    said = delivered({"content": [{"type": "text", "text": '"resultType":"task"'}]})

    assert said["resultType"] == "complete"


def test_what_was_read_may_not_be_shared_because_not_everybody_may_read_it() -> None:
    body = {"contents": [], "ttlMs": 5, "cacheScope": "public", "resultType": "complete"}

    assert delivered(body, **read(Era.MODERN)) == {**body, "cacheScope": "private"}
    assert delivered({"contents": []}, **read(Era.MODERN)) == {
        "resultType": "complete",
        "contents": [],
        "ttlMs": 0,
        "cacheScope": "private",
    }


def test_what_was_read_has_the_uri_that_was_asked_for() -> None:
    body = {"contents": [{"uri": "demo://a", "text": "x"}, {"uri": "demo://a/b", "text": "y"}]}

    said = delivered(body, **read(Era.LEGACY))

    assert [content["uri"] for content in said["contents"]] == ["shop+demo://a", "demo://a/b"]


def test_links_can_be_followed_on_the_route_where_they_were_given() -> None:
    link = {"type": "resource_link", "uri": "demo://a", "name": "a"}

    together = delivered({"content": [link]}, era=Era.LEGACY)
    alone = delivered({"content": [link]}, era=Era.LEGACY, route="shop")

    assert together == {"content": [{**link, "uri": "shop+demo://a"}]}
    assert alone == {"content": [link]}


@pytest.mark.parametrize(("code", "expected"), [(-32002, -32602), (-32042, -32602), (-1, -1)])
def test_codes_of_the_handshake_era_are_not_said_in_the_modern_one(
    code: int, expected: int
) -> None:
    error = {"code": code, "message": "no", "data": {"uri": "x"}}

    assert delivered(error, is_error=True) == {**error, "code": expected}
    assert delivered(error, is_error=True, era=Era.LEGACY) == error


def test_a_demand_for_a_url_becomes_a_question() -> None:
    one = {"mode": "url", "url": "https://x", "message": "Log in", "elicitationId": "e"}
    error = {"code": -32042, "message": "first", "data": {"elicitations": [one]}}

    question = url_required(Reply(body=msgspec.json.encode(error), is_error=True))

    assert question is not None and question.kind == "input_required"
    assert json.loads(question.body)["inputRequests"] == {
        "url-0": {"method": "elicitation/create", "params": one}
    }


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32602, "message": "-32042"},
        {"code": -32042, "message": "x"},
        {"code": -32042, "message": "x", "data": {"elicitations": []}},
        {"code": -32042, "message": "x", "data": {"elicitations": "x"}},
    ],
)
def test_other_errors_are_no_demands(error: Any) -> None:
    assert url_required(Reply(body=msgspec.json.encode(error), is_error=True)) is None
    assert url_required(Reply(body=msgspec.json.encode(error))) is None


def test_errors_have_the_status_of_their_code() -> None:
    assert modern_status(b'{"code":-32602}') == 400
    assert modern_status(b'{"code":-32601}') == 404
    assert modern_status(b'{"code":5}') == 200
    assert modern_status(b'{"code":"x"}') == 200


def test_the_client_decides_nothing_here() -> None:
    call: Call = a_call(tool=a_tool(), client=Client(capabilities={"elicitation": {"url": {}}}))
    error = Reply(body=b'{"code":-32042,"message":"x"}', is_error=True)

    assert json.loads(deliverable(call, error).body)["code"] == -32602
