"""Requests, responses and the table of routes."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from callgate.control.problems import Problem
from callgate.control.routing import MAX_BODY_BYTES, Gone, Request, Response, Route, find
from callgate.control.views import Views


async def endpoint(_request: Request, _views: Views) -> Response:
    return Response(b"")


ROUTES = (
    Route("GET", "/things", endpoint),
    Route("GET", "/things/{id}", endpoint),
    Route("POST", "/things", endpoint),
    Route("POST", "/act", endpoint),
)


def a_request(query: bytes = b"", **headers: list[str]) -> Request:
    return Request("GET", "/", query, headers)


def test_a_path_and_method_lead_to_one_route() -> None:
    assert find(ROUTES, "GET", "/things") == (ROUTES[0], {})
    assert find(ROUTES, "POST", "/things") == (ROUTES[2], {})


def test_a_name_in_braces_stands_for_one_segment() -> None:
    assert find(ROUTES, "GET", "/things/c1") == (ROUTES[1], {"id": "c1"})
    assert find(ROUTES, "GET", "/things/{id}") == (ROUTES[1], {"id": "{id}"})


@pytest.mark.parametrize(
    "path", ["/", "", "/thing", "/things/", "/things/a/b", "//things", "/Things", "/{id}"]
)
def test_any_other_path_is_not_found(path: str) -> None:
    with pytest.raises(Problem) as caught:
        find(ROUTES, "GET", path)

    assert caught.value.status == 404


def test_head_is_answered_as_get() -> None:
    assert find(ROUTES, "HEAD", "/things") == (ROUTES[0], {})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/things", "GET, POST, HEAD"),
        ("GET", "/act", "POST"),
        ("OPTIONS", "/act", "POST"),
    ],
)
def test_another_method_is_told_which_ones_there_are(method: str, path: str, allowed: str) -> None:
    with pytest.raises(Problem) as caught:
        find(ROUTES, method, path)

    assert caught.value.status == 405
    assert caught.value.headers == (("allow", allowed),)


def test_parameters_are_decoded() -> None:
    request = a_request(b"name=a%20b%2B&other=")

    assert request.parameters(("name", "other")) == {"name": "a b+", "other": ""}


@pytest.mark.parametrize("query", [b"nmae=x", b"name=x&name=y"])
def test_parameters_that_are_not_meant_or_not_clear_are_refused(query: bytes) -> None:
    with pytest.raises(Problem, match="400: "):
        a_request(query).parameters(("name",))


def test_a_header_that_was_sent_twice_counts_as_none() -> None:
    assert a_request(accept=["x"]).header("accept") == "x"
    assert a_request(accept=["x", "y"]).header("accept") is None
    assert a_request().header("accept") is None


def read(
    events: list[MutableMapping[str, Any]], most: int = MAX_BODY_BYTES, **headers: list[str]
) -> bytes:
    """The body that these ASGI events bring. `headers` with `_` for `-`."""
    remaining = list(events)

    async def receive() -> MutableMapping[str, Any]:
        return remaining.pop(0)

    sent = {name.replace("_", "-"): values for name, values in headers.items()}
    return asyncio.run(Request("POST", "/", b"", sent).with_body(receive, most)).body


def piece(body: bytes, *, is_last: bool = False) -> MutableMapping[str, Any]:
    return {"type": "http.request", "body": body, "more_body": not is_last}


def test_a_body_is_read_to_its_end() -> None:
    assert read([piece(b"ab"), piece(b""), piece(b"c", is_last=True)]) == b"abc"
    assert read([{"type": "http.request"}]) == b""


@pytest.mark.parametrize("announced", ["6", "9" * 16, "9" * 5000])
def test_a_body_that_says_it_is_too_large_is_refused_unread(announced: str) -> None:
    with pytest.raises(Problem, match="413: The body is larger than 5 bytes"):
        read([], 5, content_length=[announced])


def test_a_body_that_grows_too_large_is_refused_where_it_does() -> None:
    with pytest.raises(Problem, match="413: ") as caught:
        read([piece(b"abc"), piece(b"def")], 5)

    assert caught.value.headers == (("connection", "close"),)


def test_a_client_that_hangs_up_is_gone() -> None:
    with pytest.raises(Gone):
        read([piece(b"abc"), {"type": "http.disconnect"}])


def a_body(body: bytes, media_type: str = "application/json", encoding: str = "") -> Request:
    encodings = [encoding] if encoding else []
    headers = {"content-type": [media_type], "content-encoding": encodings}
    return Request("POST", "/", b"", headers, body=body)


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_a_body_of_json_is_read(media_type: str) -> None:
    assert a_body(b'{"a": [1, null]}', media_type).json() == {"a": [1, None]}


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/jsonp", "text/json"])
def test_a_body_of_another_type_is_refused_with_the_one_that_is_read(media_type: str) -> None:
    with pytest.raises(Problem, match="415: ") as caught:
        a_body(b"{}", media_type).json()

    assert caught.value.headers == (("accept", "application/json"),)


def test_an_endpoint_may_call_another_type_a_bad_request() -> None:
    with pytest.raises(Problem, match="400: Send the body as"):
        a_body(b"{}", "text/plain").json(other_type_is=400)


def test_the_address_is_the_configured_one_else_the_one_that_was_asked() -> None:
    scope = {
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "scheme": "https",
        "headers": [(b"Host", b"gate.example")],
    }

    assert Request.of(scope).base_url == "https://gate.example"
    assert Request.of(scope, "https://other.example").base_url == "https://other.example"


def test_an_empty_response_has_no_content() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    asyncio.run(Response.empty().under(("x-request-id", "\xe9")).send(send, is_head=False))

    assert sent[0]["status"] == 204
    assert [name for name, _ in sent[0]["headers"]] == [
        b"cache-control",
        b"x-content-type-options",
        b"x-request-id",
    ]
    assert sent[0]["headers"][-1] == (b"x-request-id", b"\xe9")


def test_a_body_in_a_content_encoding_is_refused() -> None:
    with pytest.raises(Problem, match="415: "):
        a_body(b"{}", encoding="gzip").json()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a":1,"a":1}', b"[NaN]", b"[9007199254740993]", b"[" * 65 + b"]" * 65,
     b'"\xff"', b'"\\ud800"', b'"\\u0000"', b"{}{}", b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_reads_in_two_ways_or_none_is_refused(body: bytes) -> None:
    with pytest.raises(Problem, match="400: "):
        a_body(body).json()


@pytest.mark.parametrize(
    ("route", "changes"),
    [
        (Route("GET", "/", endpoint), False),
        (Route("POST", "/", endpoint), True),
        (Route("PUT", "/", endpoint), True),
        (Route("DELETE", "/", endpoint), True),
        (Route("POST", "/", endpoint, is_question=True), False),
    ],
)
def test_all_but_questions_change_something(route: Route, changes: bool) -> None:
    assert route.changes is changes
