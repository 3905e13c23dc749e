"""HTTP for a table of routes: a request, a response, and which endpoint answers which path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

import msgspec

from callgate.asgi import Receive, Scope, Send
from callgate.control.problems import Problem
from callgate.control.views import Views
from callgate.model import Json
from callgate.protocol.jsonrpc import Malformed, parse_json

JSON = "application/json"
PROBLEM = "application/problem+json"
MAX_BODY_BYTES = 1 << 20
LOCAL = "local"  # who asks where no token is needed
_ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Gone(Exception):  # noqa: N818 - the peer's choice, not an error
    """The client hung up in the middle of its request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Its body is read only once it is known who asks, and for what."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, Sequence[str]]
    parts: Mapping[str, str] = field(default_factory=dict)  # what the path's {names} stand for
    operator: str = LOCAL  # who asks, by the name of the token
    body: bytes = b""
    base_url: str = ""  # of this listener, as the client reaches it
    address: str = ""  # of whoever is at the other end of the connection

    @classmethod
    def of(cls, scope: Scope, public_url: str | None = None) -> Request:
        """The request of an ASGI scope."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        if public_url is None:
            public_url = f"{scope.get('scheme', 'http')}://{''.join(headers.get('host', ()))}"
        peer = scope.get("client")
        return cls(
            scope["method"],
            scope["path"],
            scope["query_string"],
            headers,
            base_url=public_url,
            address=str(peer[0]) if peer else "",
        )

    def at(self, parts: Mapping[str, str], operator: str = LOCAL) -> Request:
        """The same, with what the path's {names} stand for, and who asks."""
        return replace(self, parts=parts, operator=operator)

    async def with_body(self, receive: Receive, most: int = MAX_BODY_BYTES) -> Request:
        """The same with its body. Raises Problem 413 over `most` bytes, Gone at a hang-up."""
        announced = self.header("content-length") or "0"
        if announced.isdecimal() and (len(announced) > 15 or int(announced) > most):
            raise _too_large(most)
        chunks: list[bytes] = []
        size, is_more = 0, True
        while is_more:
            event = await receive()
            if event["type"] != "http.request":
                raise Gone
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > most:
                raise _too_large(most)
            chunks.append(chunk)
            is_more = event.get("more_body", False)
        return replace(self, body=b"".join(chunks))

    def json(self, other_type_is: int = 415) -> Json:
        """The body, strictly read. Raises Problem: 400 for bad JSON, 415 for another type."""
        media_type, _, _ = (self.header("content-type") or "").partition(";")
        if media_type.strip().lower() != JSON or self.headers.get("content-encoding"):
            raise Problem(
                other_type_is,
                f"Send the body as `Content-Type: {JSON}`, without a content encoding.",
                headers=(("accept", JSON),),
            )
        try:
            return parse_json(self.body)
        except Malformed as finding:
            raise Problem(400, finding.reason) from None

    def header(self, name: str) -> str | None:
        """The header, where it was sent exactly once."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None

    def parameters(self, known: Sequence[str]) -> dict[str, str]:
        """The query. Raises Problem where a parameter is not known, or is given twice."""
        return {name: values[0] for name, values in self.several(known, ()).items()}

    def several(self, known: Sequence[str], repeated: Sequence[str]) -> dict[str, list[str]]:
        """The same, where those named in `repeated` may be given more than once."""
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query.decode("latin-1"), keep_blank_values=True):
            if name not in known:
                raise Problem(400, f"There is no parameter {name[:64]!r}; use {', '.join(known)}.")
            if name in found and name not in repeated:
                raise Problem(400, f"The parameter {name} is given more than once.")
            found.setdefault(name, []).append(value)
        return found


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back."""

    body: bytes
    status: int = 200
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, value: Json, status: int = 200) -> Response:
        """Any value that msgspec can write."""
        return cls(msgspec.json.encode(value), status)

    @classmethod
    def problem(cls, problem: Problem) -> Response:
        """RFC 9457."""
        body = msgspec.json.encode(problem.body)
        return cls(body, problem.status, PROBLEM, problem.headers)

    @classmethod
    def empty(cls) -> Response:
        """Done, and there is nothing to say about it."""
        return cls(b"", 204)

    def under(self, header: tuple[str, str]) -> Response:
        """The same with one more header."""
        return replace(self, headers=(*self.headers, header))

    async def send(self, send: Send, *, is_head: bool) -> None:
        """Over ASGI; to HEAD, everything but the body."""
        content = (
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
        )
        headers = [
            *(() if self.status == 204 else content),
            *_ALWAYS,
            *((name.encode(), value.encode("latin-1")) for name, value in self.headers),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if is_head else self.body})


Endpoint = Callable[[Request, Views], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table."""

    method: str
    path: str  # `{name}` stands for one segment
    endpoint: Endpoint
    is_open: bool = False  # answered without a token
    is_question: bool = False  # changes nothing, though it is not a GET
    max_body_bytes: int = MAX_BODY_BYTES

    @property
    def changes(self) -> bool:
        """Whether it is for operators only, not for readers."""
        return not self.is_question and self.method != "GET"

    def match(self, path: str) -> dict[str, str] | None:
        """What the path's {names} stand for; None where it is another path."""
        wanted, given = self.path.split("/"), path.split("/")
        if len(wanted) != len(given):
            return None
        parts: dict[str, str] = {}
        for want, segment in zip(wanted, given, strict=True):
            if want.startswith("{") and segment:
                parts[want[1:-1]] = segment
            elif want != segment:
                return None
        return parts


def _too_large(most: int) -> Problem:
    # The rest of the body is not read: the connection ends with the answer.
    return Problem(
        413, f"The body is larger than {most} bytes; send less.", headers=(("connection", "close"),)
    )


def words(status: int, reason: str) -> tuple[bytes, bytes]:
    """How operators are told that a request was not taken that cannot even be read."""
    problem = Response.problem(Problem(status, reason))
    return problem.media_type.encode(), problem.body


def find(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route, and the path's parts. Raises Problem: 404 or 405. HEAD is answered as GET."""
    method = "GET" if method == "HEAD" else method
    if "{" not in path:  # most paths are written out in the table: no need to take them apart
        for route in routes:
            if route.path == path and route.method == method:
                return route, {}
    matching = [(route, parts) for route in routes if (parts := route.match(path)) is not None]
    for route, parts in matching:
        if route.method == method:
            return route, parts
    if not matching:
        raise Problem(404, "There is nothing at this path.")
    allowed = sorted({route.method for route, _ in matching})
    if "GET" in allowed:
        allowed.append("HEAD")
    listed = ", ".join(allowed)
    raise Problem(405, f"This path answers {listed}.", headers=(("allow", listed),))
