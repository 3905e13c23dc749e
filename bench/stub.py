"""The target behind every gateway: a fast MCP server that speaks both eras and echoes its input."""

from __future__ import annotations

import argparse
import os
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from granian import Granian
from granian.constants import Interfaces

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
MARKER = "bench-ok"  # in every real result and in nothing else; the load script looks for it
REPLY_BYTES = 1024
TOOLS_VARIABLE = "CALLGATE_BENCH_TOOLS"

JSON = ("content-type", "application/json")
SERVER_INFO = {"name": "callgate-bench-stub", "version": "1"}
INPUT_SCHEMA = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "minLength": 1, "maxLength": 64},
        "amount": {"type": "integer", "minimum": 0},
        "note": {"type": "string", "maxLength": 500},
    },
    "required": ["customer", "amount"],
    "additionalProperties": False,
}


class Arguments(msgspec.Struct):
    customer: str
    amount: int
    note: str = ""


class Params(msgspec.Struct):
    name: str = ""
    arguments: Arguments | None = None


class Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw(b"")  # empty: a notification
    params: msgspec.Raw = msgspec.Raw(b"{}")


def tools(count: int) -> list[dict[str, Any]]:
    names = ["lookup", "echo"] + [f"tool_{number:04d}" for number in range(3, count + 1)]
    about = "Looks up one customer and says whether the amount can be paid out. "
    return [
        {
            "name": name,
            "title": name.capitalize(),
            "description": about + f"This one is called {name}.",
            "inputSchema": INPUT_SCHEMA,
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }
        for name in names[:count]
    ]


def call_result(arguments: Arguments, is_modern: bool) -> bytes:
    """A result of about 1 KB that repeats the arguments, so that a canned answer would show."""
    echoed = msgspec.json.encode(arguments)
    start = (
        b'{"content":[{"type":"text","text":"' + MARKER.encode() + b" " + FILLER + b'"}],'
        b'"structuredContent":' + echoed + b',"isError":false'
    )
    return start + (b',"resultType":"complete"}' if is_modern else b"}")


FILLER = (b"The customer is known and the amount is within the limit of the account. " * 14)[
    : REPLY_BYTES - 200
]
CAPABILITIES = {"tools": {"listChanged": False}}
CACHEABLE = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public"}
LISTED = tools(int(os.environ.get(TOOLS_VARIABLE, "2")))

encode = msgspec.json.encode
decode_request = msgspec.json.Decoder(Request).decode
decode_params = msgspec.json.Decoder(Params).decode

FIXED: dict[tuple[str, bool], bytes] = {
    ("tools/list", True): encode({"tools": LISTED, **CACHEABLE}),
    ("tools/list", False): encode({"tools": LISTED}),
    ("server/discover", True): encode(
        {
            "supportedVersions": [MODERN],
            "capabilities": CAPABILITIES,
            "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO},
            **CACHEABLE,
        }
    ),
    ("initialize", False): encode(
        {"protocolVersion": LEGACY, "capabilities": CAPABILITIES, "serverInfo": SERVER_INFO}
    ),
    ("ping", False): b"{}",
    ("ping", True): b'{"resultType":"complete"}',
    ("resources/list", True): encode({"resources": [], **CACHEABLE}),
    ("resources/list", False): b'{"resources":[]}',
    ("prompts/list", True): encode({"prompts": [], **CACHEABLE}),
    ("prompts/list", False): b'{"prompts":[]}',
}


class Stub:
    """The sessions of the legacy era and the number of tool calls seen; one worker, no locks."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.calls = 0

    def answer(self, body: bytes, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        request = decode_request(body)
        is_modern = headers.get("mcp-protocol-version") == MODERN
        reply_headers = [JSON]
        if request.method == "initialize":
            session = secrets.token_hex(16)
            self.sessions.add(session)
            reply_headers = [JSON, ("mcp-session-id", session)]
        elif not is_modern and headers.get("mcp-session-id") not in self.sessions:
            return 404, [JSON], error(request.id, -32600, "unknown session")
        if not request.id:
            return 202, [], b""
        if request.method == "tools/call":
            self.calls += 1
            params = decode_params(request.params)
            result = call_result(params.arguments or Arguments("", 0), is_modern)
        else:
            fixed = FIXED.get((request.method, is_modern))
            if fixed is None:
                return (404 if is_modern else 200), [JSON], error(request.id, -32601, "no method")
            result = fixed
        whole = b'{"jsonrpc":"2.0","id":' + bytes(request.id) + b',"result":' + result + b"}"
        return 200, reply_headers, whole

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        if scope.method == "POST":
            body = await protocol()
            try:
                protocol.response_bytes(*self.answer(body, scope.headers))
            except msgspec.MsgspecError as problem:
                protocol.response_bytes(400, [JSON], error(b"", -32700, str(problem)))
        elif scope.method == "GET" and scope.path == "/calls":
            protocol.response_str(200, [JSON], str(self.calls))
        elif scope.method == "DELETE":
            self.sessions.discard(scope.headers.get("mcp-session-id") or "")
            protocol.response_empty(200, [])
        else:
            protocol.response_empty(405, [("allow", "POST, DELETE")])


def error(request_id: bytes | msgspec.Raw, code: int, message: str) -> bytes:
    problem = {"code": code, "message": message}
    return encode({"jsonrpc": "2.0", "id": msgspec.Raw(request_id or b"null"), "error": problem})


app = Stub()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tools", type=int, default=2)
    options = parser.parse_args()
    os.environ[TOOLS_VARIABLE] = str(options.tools)
    Granian(
        "stub:app",
        address="127.0.0.1",
        port=options.port,
        interface=Interfaces.RSGI,
        websockets=False,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    main()
