"""The endpoint: guards it, and gives each request to the era that it speaks."""

from urllib.parse import urlsplit

from fakes.conformance_server.asgi import (
    Headers,
    HttpError,
    Receive,
    Scope,
    Send,
    body_of,
    first,
    headers_of,
    respond,
)
from fakes.conformance_server.exchange import (
    INVALID_REQUEST,
    LEGACY_VERSIONS,
    META,
    RpcError,
    World,
)
from fakes.conformance_server.legacy_http import LegacyHttp
from fakes.conformance_server.modern import Modern
from fakes.conformance_server.modern_http import ModernHttp

PATH = "/mcp"


def is_modern(message: object, version: str | None) -> bool:
    """Whether a message is of the stateless era, by its header or else by its metadata."""
    if version is not None:
        return version not in LEGACY_VERSIONS
    if not isinstance(message, dict):
        return False
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    has_version = isinstance(meta, dict) and META + "protocolVersion" in meta
    return has_version or message.get("method") == "server/discover"


class Endpoint:
    """The ASGI application."""

    def __init__(self, world: World, era: str, host: str, answers: str | None) -> None:
        self._era = era
        self._hosts = {"localhost", "127.0.0.1", "::1", host}
        self._legacy = LegacyHttp(world, prefers_json=answers == "json")
        self._modern = ModernHttp(Modern(world), always_streams=answers == "sse")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._route(scope, headers_of(scope), receive, send)
        except HttpError as refused:
            body = {"jsonrpc": "2.0", "id": None, "error": refused.error.body()}
            await respond(send, refused.status, body, refused.headers)

    async def _route(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        self._guard(scope, headers)
        version = first(headers, "mcp-protocol-version")
        has_legacy = self._era != "modern" and not (
            self._era == "both" and is_modern(None, version)
        )
        if scope["method"] == "POST":
            await self._post(headers, receive, send)
        elif has_legacy and scope["method"] == "GET":
            await self._legacy.get(headers, receive, send)
        elif has_legacy and scope["method"] == "DELETE":
            await self._legacy.delete(headers, send)
        else:
            raise HttpError(
                405, RpcError(INVALID_REQUEST, "Method not allowed"), [("allow", "POST")]
            )

    async def _post(self, headers: Headers, receive: Receive, send: Send) -> None:
        accept = first(headers, "accept") or ""
        if "application/json" not in accept or "text/event-stream" not in accept:
            raise HttpError(
                406, RpcError(INVALID_REQUEST, "Accept must list JSON and event streams")
            )
        if not (first(headers, "content-type") or "").startswith("application/json"):
            raise HttpError(415, RpcError(INVALID_REQUEST, "Content-Type must be JSON"))
        body = await body_of(receive)
        speaks_modern = is_modern(body, first(headers, "mcp-protocol-version"))
        if self._era == "modern" or (self._era == "both" and speaks_modern):
            await self._modern.post(body, headers, receive, send)
        else:
            await self._legacy.post(body, headers, receive, send)

    def _guard(self, scope: Scope, headers: Headers) -> None:
        """A page elsewhere must not reach a server here by a name that it made up."""
        host = urlsplit(f"//{first(headers, 'host') or ''}").hostname
        origin = first(headers, "origin")
        if host not in self._hosts or (
            origin is not None and urlsplit(origin).hostname not in self._hosts
        ):
            raise HttpError(403, RpcError(INVALID_REQUEST, "Host or Origin is not allowed"))
        if scope["path"] != PATH:
            raise HttpError(404, RpcError(INVALID_REQUEST, f"Only {PATH} is served"))
