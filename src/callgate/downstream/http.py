"""Agents over streamable HTTP: an ASGI application for `/mcp` and `/mcp/<target>`."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.asgi import Receive, Scope, Send
from callgate.downstream.dispatch import Dispatcher
from callgate.downstream.exchange import Exchange
from callgate.downstream.heads import Head, Heads
from callgate.downstream.inbound import Answer
from callgate.downstream.metadata import WELL_KNOWN, base_of, document
from callgate.downstream.responding import respond
from callgate.protocol.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, encode, error_response
from callgate.protocol.origins import Guard

PATH = "/mcp"
BELOW = PATH + "/"


def words(status: int, reason: str) -> tuple[bytes, bytes]:
    """How agents are told that a request was not taken that cannot even be read."""
    code = INTERNAL_ERROR if status == 500 else INVALID_REQUEST
    return b"application/json", error_response(None, code, reason)


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
        self._heads = Heads(
            Guard.of(
                allowed_hosts=allowed_hosts,
                allowed_origins=allowed_origins,
                is_loopback=is_loopback,
                admits_local_pages=is_loopback,
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        head = self._heads.of(scope)
        if path.startswith(WELL_KNOWN):
            await respond(send, self._metadata(scope, head))
            return
        refused = self._check_route(path, head)
        if refused is not None:
            await respond(send, refused)
            return
        route = path[len(BELOW) :] or None
        await Exchange(self._dispatcher, scope, receive, send, head, route).run()

    def _metadata(self, scope: Scope, head: Head) -> Answer:
        """RFC 9728, of every route; 404 where no issuer is configured. Open to everybody."""
        protection = self._dispatcher.current().protection
        path = scope["path"][len(WELL_KNOWN) :] or PATH
        refused = self._check_route(path, head)
        if refused is not None:
            return refused
        if not protection.issuers:
            return Answer(404)
        if scope["method"] != "GET":
            return Answer(405, headers=(("allow", "GET"),))
        base = base_of(protection, scope, head.headers["host"][0])
        return Answer(body=encode(document(protection, base, path)))

    def _check_route(self, path: str, head: Head) -> Answer | None:
        if path != PATH and not path.startswith(BELOW):
            return Answer(404)
        if head.refusal is not None:
            return head.refusal
        route = path[len(BELOW) :]
        if route and not self._dispatcher.current().catalog.has_target(route):
            return Answer(404)
        return None
