"""Who may ask the control API, and what holds for every answer."""

from __future__ import annotations

import asyncio
import logging

import pytest
from pydantic import SecretStr

from callgate.control import app
from callgate.control.app import ROUTES, ControlEndpoint
from callgate.control.logins import Logins
from callgate.control.routing import Request, Response, Route
from callgate.control.settings import ControlListenerSettings
from callgate.control.views import ConfigStatus, Views
from fakes.asgi import Answered, ask
from fakes.operators import STATUS, get, some_views

TOKEN = "t0ken-" * 6
PUBLIC = ControlListenerSettings(host="0.0.0.0", token=SecretStr(TOKEN))
HOST = ("host", "gate.example:8081")
CLOSED = [route for route in ROUTES if not route.is_open]


def ask_public(path: str, *headers: tuple[str, str], method: str = "GET") -> Answered:
    return ask(ControlEndpoint(some_views(), PUBLIC), path, method=method, headers=(HOST, *headers))


def bearing(token: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {token}")


def test_only_the_probes_and_the_metadata_are_open() -> None:
    assert {route.path for route in ROUTES if route.is_open} == {
        "/healthz",
        "/readyz",
        "/.well-known/authzen-configuration",
        "/add-checkpoint",
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_probes_need_no_token(path: str) -> None:
    assert ask_public(path).status == 200


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: route.path)
def test_everything_else_needs_the_token(route: Route) -> None:
    answered = ask_public(route.path, method=route.method)

    assert answered.status == 401
    assert answered.headers["www-authenticate"] == 'Bearer realm="callgate control"'
    assert answered.json["title"] == "Unauthorized"


def _wants_more(route: Route) -> bool:
    return "{" in route.path or route.method != "GET"


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: f"{route.method} {route.path}")
def test_with_the_token_everything_is_answered(route: Route) -> None:
    answered = ask_public(route.path, bearing(TOKEN), method=route.method)

    # Some want a body, or a thing that is there.
    assert answered.status == 200 or (answered.status in (400, 404, 415) and _wants_more(route))


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x",
     f"Bearer {TOKEN.upper()}", "Bearer \xff"],
)  # fmt: skip
def test_another_proof_is_not_the_token(authorization: str) -> None:
    assert ask_public("/metrics", ("authorization", authorization)).status == 401


def test_a_token_beside_another_proof_does_not_count() -> None:
    assert ask_public("/metrics", bearing(TOKEN), bearing("x")).status == 401


def test_without_the_token_nobody_learns_which_paths_there_are() -> None:
    assert ask_public("/nowhere").status == 401
    assert ask_public("/nowhere", bearing(TOKEN)).status == 404


def test_a_token_on_loopback_is_asked_for_too() -> None:
    endpoint = ControlEndpoint(some_views(), ControlListenerSettings(token=SecretStr(TOKEN)))

    assert ask(endpoint, "/api/v1/config").status == 401
    assert (
        ask(endpoint, "/api/v1/config", headers=(("host", "[::1]"), bearing(TOKEN))).status == 200
    )


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/api/v1/reload", "/nowhere"])
def test_a_name_that_was_made_to_point_here_is_not_served(path: str) -> None:
    endpoint = ControlEndpoint(some_views(), ControlListenerSettings())

    assert ask(endpoint, path, headers=(("host", "evil.example"),)).status == 421
    assert ask(endpoint, path, headers=()).status == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null"])
def test_no_page_may_use_it_and_nothing_is_done(origin: str) -> None:
    reloads: list[str] = []

    async def reload() -> ConfigStatus:
        reloads.append("done")
        return STATUS

    endpoint = ControlEndpoint(some_views(reload=reload), ControlListenerSettings())
    headers = (("host", "localhost"), ("origin", origin))

    assert ask(endpoint, "/api/v1/reload", method="POST", headers=headers).status == 403
    assert reloads == []


def test_a_configured_page_may_use_it() -> None:
    settings = ControlListenerSettings(allowed_origins=("https://ops.example",))
    headers = (("host", "localhost"), ("origin", "https://ops.example"))

    assert ask(ControlEndpoint(some_views(), settings), "/readyz", headers=headers).status == 200


def test_problems_are_told_in_the_form_of_the_rfc() -> None:
    answered = get("/nowhere")

    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this path.",
    }


def test_nothing_is_kept_by_caches_or_taken_for_another_type() -> None:
    for path in ("/healthz", "/api/v1/tools", "/nowhere"):
        headers = get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_head_gets_all_but_the_body() -> None:
    endpoint = ControlEndpoint(some_views(), ControlListenerSettings())
    whole, head = (ask(endpoint, "/readyz", method=method) for method in ("GET", "HEAD"))

    assert (head.status, head.headers, head.body) == (200, whole.headers, b"")


def test_a_page_that_fails_says_so_without_saying_why(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> ConfigStatus:
        raise RuntimeError("the secret is hunter2")

    with caplog.at_level(logging.ERROR, logger="callgate.control"):
        answered = get("/api/v1/config", config=fail)

    assert answered.status == 500
    assert b"hunter2" not in answered.body
    assert "GET /api/v1/config failed" in caplog.text


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/api/v1/config"])
def test_the_id_of_a_request_comes_back_whatever_became_of_it(path: str) -> None:
    def echoed(*values: str) -> str | None:
        headers = tuple(("X-Request-ID", value) for value in values)
        return ask_public(path, *headers).headers.get("x-request-id")

    assert (echoed(), echoed("a b\xe9"), echoed("a", "b")) == (None, "a b\xe9", None)


NAMED = ControlListenerSettings(
    token=SecretStr(TOKEN),
    operators={"ada": SecretStr("a" * 32)},
    readers={"portal": SecretStr("p" * 32)},
)


@pytest.fixture
def with_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes that say who asked and what was sent."""

    async def echo(request: Request, _views: Views) -> Response:
        return Response.json([request.operator, request.parts, request.body.decode()])

    monkeypatch.setattr(
        app,
        "ROUTES",
        (
            Route("GET", "/echo/{id}", echo),
            *(Route(method, "/echo/{id}", echo) for method in ("PUT", "POST", "DELETE")),
            Route("POST", "/ask/{id}", echo, is_question=True, max_body_bytes=5),
        ),
    )


@pytest.mark.usefixtures("with_echo")
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("settings", "token", "operator"),
    [
        (ControlListenerSettings(), "", "local"),
        (NAMED, TOKEN, "operator"),
        (NAMED, "a" * 32, "ada"),
    ],
)
def test_an_endpoint_knows_who_asks_for_what(
    settings: ControlListenerSettings, token: str, operator: str, method: str
) -> None:
    answered = ask(
        ControlEndpoint(some_views(), settings),
        "/echo/1",
        method=method,
        headers=(("host", "localhost"), bearing(token)),
        body=(b"in ", b"pieces"),
    )

    assert answered.json == [operator, {"id": "1"}, "in pieces"]


@pytest.mark.usefixtures("with_echo")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/echo/1", 200),
        ("HEAD", "/echo/1", 200),
        ("POST", "/ask/1", 200),
        ("PUT", "/echo/1", 403),
        ("POST", "/echo/1", 403),
        ("DELETE", "/echo/1", 403),
    ],
)
def test_a_reader_may_read_and_ask_and_change_nothing(method: str, path: str, status: int) -> None:
    answered = ask(
        ControlEndpoint(some_views(), NAMED),
        path,
        method=method,
        headers=(("host", "localhost"), bearing("p" * 32)),
    )

    assert answered.status == status


@pytest.mark.usefixtures("with_echo")
def test_only_readers_means_that_nobody_changes_anything_over_http() -> None:
    settings = ControlListenerSettings(readers={"portal": SecretStr("p" * 32)})
    endpoint = ControlEndpoint(some_views(), settings)

    assert ask(endpoint, "/echo/1", method="PUT").status == 401


@pytest.mark.usefixtures("with_echo")
def test_a_body_over_the_limit_of_its_route_is_refused() -> None:
    def put(path: str, body: bytes) -> int:
        endpoint = ControlEndpoint(some_views(), ControlListenerSettings())
        return ask(endpoint, path, method="POST", body=body).status

    assert [put("/ask/1", b"12345"), put("/ask/1", b"123456"), put("/echo/1", b"123456")] == [
        200,
        413,
        200,
    ]


@pytest.mark.usefixtures("with_echo")
def test_a_body_is_read_only_from_who_may_send_it() -> None:
    """Unread: the fake client has nothing to give, and would fail."""
    endpoint = ControlEndpoint(some_views(), NAMED)

    assert ask(endpoint, "/echo/1", method="POST", body=()).status == 401
    reader = (("host", "localhost"), bearing("p" * 32))
    assert ask(endpoint, "/echo/1", method="POST", headers=reader, body=()).status == 403


@pytest.mark.usefixtures("with_echo")
def test_a_client_that_hangs_up_in_its_body_gets_no_answer() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(event: object) -> None:
        raise AssertionError(event)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/echo/1",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    endpoint = ControlEndpoint(some_views(), ControlListenerSettings())
    asyncio.run(endpoint(scope, receive, send))


def test_other_protocols_than_http_are_left_alone() -> None:
    endpoint = ControlEndpoint(some_views(), ControlListenerSettings())

    async def unused(*_: object) -> None:
        raise AssertionError

    asyncio.run(endpoint({"type": "lifespan"}, unused, unused))  # type: ignore[arg-type]


def test_who_comes_is_told_and_who_may_not_is_counted() -> None:
    told: list[dict[str, object]] = []
    views = some_views(logins=Logins(told.append))
    endpoint = ControlEndpoint(views, PUBLIC)
    for headers in ((HOST, bearing(TOKEN)), (HOST, bearing("x" * 40)), (HOST,)):
        ask(endpoint, "/api/v1/targets", headers=headers)
    ask(endpoint, "/healthz", headers=(HOST,))

    assert told == [
        {"result": "succeeded", "operator": "operator", "from": "127.0.0.1"},
        {
            "result": "failed",
            "count": 1,
            "from": {"127.0.0.1": 1},
            "reasons": {"unknown token": 1},
        },
    ]
