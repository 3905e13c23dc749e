"""A caller without a token learns where to get one (RFC 9728), on every route."""

import asyncio
from typing import Any

import pytest

from callgate.pipeline.gateway import Protection
from fakes.agent import Agent, Response
from fakes.gateway import a_gateway
from fakes.target import FakeAuthenticator

IDP = Protection(issuers=("https://idp",), scopes=("tools", "read"))
KNOWN = "/.well-known/oauth-protected-resource"


def asked(
    path: str, protection: Protection = IDP, method: str = "GET", host: str = "127.0.0.1:8080"
) -> Response:
    agent = Agent(a_gateway(protection=protection))
    return asyncio.run(agent.send(method, path, {"host": host}, b""))


@pytest.mark.parametrize(
    ("path", "resource"), [("", "/mcp"), ("/mcp", "/mcp"), ("/mcp/shop", "/mcp/shop")]
)
def test_every_route_says_who_issues_tokens_for_it(path: str, resource: str) -> None:
    said = asked(KNOWN + path).json

    assert said == {
        "resource": f"http://127.0.0.1:8080{resource}",
        "authorization_servers": ["https://idp"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Callgate",
        "scopes_supported": ["tools", "read"],
    }


def test_the_configured_address_is_said_and_not_the_one_of_the_request() -> None:
    public = Protection(issuers=("https://idp",), public_url="https://tools.example.com/")

    assert asked(f"{KNOWN}/mcp", public).json["resource"] == "https://tools.example.com/mcp"


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/mcp", {"protection": Protection()}, 404),
        ("/mcp/other", {}, 404),
        ("/elsewhere", {}, 404),
        ("/mcp", {"method": "POST"}, 405),
        ("/mcp", {"host": "evil.example"}, 421),
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_say(
    path: str, more: dict[str, Any], status: int
) -> None:
    assert asked(KNOWN + path, **more).status == status


@pytest.mark.parametrize("path", ["/mcp", "/mcp/shop"])
def test_who_is_turned_away_is_told_where_to_look(path: str) -> None:
    gateway = a_gateway(protection=IDP, authenticator=FakeAuthenticator())

    response = asyncio.run(Agent(gateway).modern("tools/list", None, path))

    assert response.status == 401
    assert response.headers["www-authenticate"] == (
        'Bearer realm="callgate", '
        f'resource_metadata="http://127.0.0.1:8080{KNOWN}{path}", scope="tools read"'
    )


def test_without_an_issuer_there_is_nothing_to_look_for() -> None:
    gateway = a_gateway(authenticator=FakeAuthenticator())

    response = asyncio.run(Agent(gateway).modern("tools/list"))

    assert response.headers["www-authenticate"] == 'Bearer realm="callgate"'
