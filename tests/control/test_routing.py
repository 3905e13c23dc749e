"""Requests, responses and the table of routes."""

from __future__ import annotations

import pytest

from callgate.control.problems import Problem
from callgate.control.routing import Request, Response, Route, find
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


@pytest.mark.parametrize(
    "path", ["/", "", "/thing", "/things/", "/things/a/b", "//things", "/Things"]
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
