"""Agents over streamable HTTP: an ASGI application for `/mcp` and `/mcp/<target>`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from callgate.downstream.dispatch import Dispatcher
from callgate.downstream.exchange import Exchange
from callgate.downstream.inbound import Answer
from callgate.downstream.metadata import WELL_KNOWN, base_of, document
from callgate.downstream.responding import Receive, Scope, Send, respond
from callgate.protocol import headers as routing
from callgate.protocol.jsonrpc import (
    INVALID_REQUEST,
    encode,
    error_response,
)
from callgate.protocol.origins import Guard

PATH = "/mcp"
MAX_REMEMBERED = 256
HEADERS = {
    name.encode(): name
    for name in (
        *routing.ROUTING,
        *(
            "mcp-session-id",
            "last-event-id",
            "host",
            "origin",
            "content-type",
            "content-length",
            "accept",
        ),
        *("authorization", "x-api-key", "forwarded", "x-forwarded-for"),
    )
}


class HttpEndpoint:
    """The ASGI application. Decides on the parsed body; headers are checked against it."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        is_loopback: bool = True,
    ) -> None:
        self._dispatcher = dispatcher
        guard = Guard.of(
            allowed_hosts=allowed_hosts,
            allowed_origins=allowed_origins,
            is_loopback=is_loopback,
            admits_local_pages=is_loopback,
        )
        # Few hosts and origins come again and again: each is looked at once.
        self._may_reach = lru_cache(MAX_REMEMBERED)(guard.may_reach)
        self._may_originate = lru_cache(MAX_REMEMBERED)(guard.may_originate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        if scope["path"].startswith(WELL_KNOWN):
            await respond(send, self._metadata(scope, headers))
            return
        answer = self._check_route(scope, headers)
        if answer is None:
            path: str = scope["path"]
            route = path[len(PATH) + 1 :] or None
            exchange = Exchange(self._dispatcher, scope, receive, send, headers, route)
            await exchange.run()
        else:
            await respond(send, answer)

    def _metadata(self, scope: Scope, headers: dict[str, list[str]]) -> Answer:
        """RFC 9728, of every route; 404 where no issuer is configured. Open to everybody."""
        protection = self._dispatcher.current().protection
        path = scope["path"][len(WELL_KNOWN) :] or PATH
        refused = self._check_route({**scope, "path": path}, headers)
        if refused is not None:
            return refused
        if not protection.issuers:
            return Answer(404)
        if scope["method"] != "GET":
            return Answer(405, headers=(("allow", "GET"),))
        base = base_of(protection, scope, headers["host"][0])
        return Answer(body=encode(document(protection, base, path)))

    def _check_route(self, scope: Scope, headers: dict[str, list[str]]) -> Answer | None:
        path: str = scope["path"]
        if path != PATH and not path.startswith(PATH + "/"):
            return Answer(404)
        if not self._may_reach(tuple(headers.get("host", ()))):
            return Answer(421, error_response(None, INVALID_REQUEST, "This Host is not served."))
        if not self._may_originate(tuple(headers.get("origin", ()))):
            return Answer(403, error_response(None, INVALID_REQUEST, "This Origin is not allowed."))
        route = path[len(PATH) + 1 :]
        if route and not self._dispatcher.current().catalog.has_target(route):
            return Answer(404)
        return None


def _headers(scope: Scope) -> dict[str, list[str]]:
    """The headers that mean something here, by lower-case name."""
    found: dict[str, list[str]] = {}
    for raw, value in scope["headers"]:
        name = HEADERS.get(raw)
        if name is None:
            if not raw.startswith(b"mcp-param-"):
                continue
            name = raw.decode("latin-1")
        if name in found:
            found[name].append(value.decode("latin-1"))
        else:
            found[name] = [value.decode("latin-1")]
    return found
