"""What the stub lists and says: its tools, resources, prompts, results, events and errors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
MARKER = "bench-ok"  # in every real result and in nothing else; the load script looks for it
REPLY_BYTES = 1024
REPORTS = 100  # progress notifications before the result of `report`
TOOLS_VARIABLE = "CALLGATE_BENCH_TOOLS"
ITEMS_VARIABLE = "CALLGATE_BENCH_ITEMS"
ERAS_VARIABLE = "CALLGATE_BENCH_ERAS"

encode = msgspec.json.encode
Answer = tuple[int, list[tuple[str, str]], bytes]  # status, headers, body

JSON = ("content-type", "application/json")
STREAM = [("content-type", "text/event-stream"), ("cache-control", "no-cache")]
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
SURE = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}


class Arguments(msgspec.Struct):
    customer: str
    amount: int
    note: str = ""


def tools(count: int) -> list[dict[str, Any]]:
    first = ["lookup", "echo", "report", "confirm"]
    names = first + [f"tool_{number:04d}" for number in range(len(first) + 1, count + 1)]
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


def resources(count: int, place: str) -> list[dict[str, Any]]:
    return [
        {
            "uri": f"bench://{place}/customer/{number:04d}",
            "name": f"customer_{number:04d}",
            "description": f"What is known of customer {number}.",
            "mimeType": "application/json",
        }
        for number in range(1, count + 1)
    ]


def prompts(count: int) -> list[dict[str, Any]]:
    argument = {"name": "customer", "description": "Whom it is for.", "required": True}
    return [
        {
            "name": f"letter_{number:04d}",
            "description": f"A letter to a customer, number {number}.",
            "arguments": [argument],
        }
        for number in range(1, count + 1)
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
CACHEABLE = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public"}


@dataclass(frozen=True)
class Setup:
    """Read in the worker, which inherits the variables: the options are known to its parent."""

    tools: int
    items: int
    eras: str

    @classmethod
    def of_environment(cls) -> Setup:
        return cls(
            tools=int(os.environ.get(TOOLS_VARIABLE, "2")),
            items=int(os.environ.get(ITEMS_VARIABLE, "0")),
            eras=os.environ.get(ERAS_VARIABLE, "both"),
        )

    def speaks(self, is_modern: bool) -> bool:
        return self.eras in ("both", "modern" if is_modern else "legacy")


def fixed(setup: Setup) -> dict[tuple[str, bool], bytes]:
    """The results that are always the same, by method and whether the era is the modern one."""
    listed = tools(setup.tools)
    lists: dict[str, Any] = {"resources": {}, "prompts": {}} if setup.items else {}
    capabilities = {"tools": {"listChanged": False}, **lists}
    return {
        ("tools/list", True): encode({"tools": listed, **CACHEABLE}),
        ("tools/list", False): encode({"tools": listed}),
        ("prompts/list", True): encode({"prompts": prompts(setup.items), **CACHEABLE}),
        ("prompts/list", False): encode({"prompts": prompts(setup.items)}),
        ("server/discover", True): encode(
            {
                "supportedVersions": [MODERN],
                "capabilities": capabilities,
                "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO},
                **CACHEABLE,
            }
        ),
        ("initialize", False): encode(
            {"protocolVersion": LEGACY, "capabilities": capabilities, "serverInfo": SERVER_INFO}
        ),
        ("ping", False): b"{}",
        ("ping", True): b'{"resultType":"complete"}',
    }


@lru_cache
def resource_list(count: int, is_modern: bool, path: str) -> bytes:
    """They are named after the path, so that one stub may stand for many targets."""
    result = {"resources": resources(count, path.strip("/").replace("/", "."))}
    return encode({**result, **CACHEABLE} if is_modern else result)


def asks(arguments: Arguments) -> dict[str, Any]:
    """The question names what is asked about, so that answers to another call would show."""
    message = f"May {arguments.amount} be paid out to {arguments.customer}?"
    return {"message": message, "requestedSchema": SURE}


def progress(token: bytes, number: int) -> bytes:
    return event(
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b,'
        b'"progress":%d,"total":%d,"message":"Entry %d of the account was read."}}'
        % (token, number, REPORTS, number)
    )


def event(message: bytes) -> bytes:
    return b"event: message\ndata: " + message + b"\n\n"


def whole(request_id: msgspec.Raw, result: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":' + bytes(request_id) + b',"result":' + result + b"}"


def failed(text: str, is_modern: bool = False) -> bytes:
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    return encode({**result, "resultType": "complete"} if is_modern else result)


def other_era(request_id: msgspec.Raw, is_modern: bool, requested: str | None) -> Answer:
    """As servers of one era turn the other one down."""
    if is_modern:
        return 400, [JSON], error(request_id, -32000, "Bad Request: Unsupported protocol version")
    problem = {"supported": [MODERN], "requested": requested or LEGACY}
    return 400, [JSON], error(request_id, -32022, "Unsupported protocol version", problem)


def error(request_id: bytes | msgspec.Raw, code: int, message: str, details: Any = None) -> bytes:
    problem: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        problem["data"] = details
    return encode({"jsonrpc": "2.0", "id": msgspec.Raw(request_id or b"null"), "error": problem})
