"""What a target answered, said in the words of the caller's era and under its route's names."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callgate.model import Call, Era, Reply
from callgate.protocol.jsonrpc import INVALID_PARAMS, encode

RESOURCE_NOT_FOUND = -32002  # handshake era; 2026-07-28 has -32602 for it
URL_ELICITATION_REQUIRED = -32042  # 2025-11-25; 2026-07-28 asks with `input_required`
PRIVATE = b'"cacheScope":"private"'

_decode = msgspec.json.Decoder().decode


class _Head(msgspec.Struct):
    result_type: str | None = msgspec.field(name="resultType", default=None)


_read_head = msgspec.json.Decoder(_Head).decode


def deliverable(call: Call, reply: Reply, shown_uri: Callable[[str, str], str]) -> Reply:
    """The reply as the caller is to get it: the target's own bytes, but for what must differ."""
    if reply.is_error:
        return _error(call, reply)
    body = reply.body
    if call.method == "resources/read":
        body = _read_result(call, body)
    elif call.route is None and b'"resource_link"' in body:
        body = _linked(call, body, shown_uri)
    if call.era is Era.MODERN and _kind(body) is None:
        body = _with_members(body, b'"resultType":"complete"')
    return reply if body is reply.body else Reply(body=body, kind=reply.kind)


def _kind(body: bytes) -> str | None:
    return _read_head(body).result_type if b"resultType" in body else None


def _with_members(body: bytes, members: bytes) -> bytes:
    inner = body.strip()[1:]
    return b"{" + members + (b"}" if inner.strip() == b"}" else b"," + inner)


def _read_result(call: Call, body: bytes) -> bytes:
    """Under the URI that was asked for; never to be shared: not everybody may read it."""
    result = _decode(body)
    if result.get("resultType") == "input_required":
        return body
    before = encode(result)
    if call.era is Era.MODERN:
        result.setdefault("ttlMs", 0)
        result["cacheScope"] = "private"
    own = call.arguments.get("uri")
    if own != call.requested_name:
        for content in result.get("contents") or ():
            if isinstance(content, dict) and content.get("uri") == own:
                content["uri"] = call.requested_name
    after = encode(result)
    return body if after == before else after


def _linked(call: Call, body: bytes, shown_uri: Callable[[str, str], str]) -> bytes:
    """Links to resources, so that the caller can read them on the route where it got them."""
    assert call.tool is not None  # noqa: S101 - what was forwarded has its target
    result = _decode(body)
    content = result.get("content")
    for item in content if isinstance(content, list) else ():
        if isinstance(item, dict) and item.get("type") == "resource_link":
            uri = item.get("uri")
            if isinstance(uri, str):
                item["uri"] = shown_uri(call.tool.target, uri)
    return encode(result)


def _error(call: Call, reply: Reply) -> Reply:
    if call.era is not Era.MODERN:
        return reply
    error = _decode(reply.body)
    code = error.get("code")
    if code == RESOURCE_NOT_FOUND:
        return Reply(body=encode({**error, "code": INVALID_PARAMS}), is_error=True)
    if code == URL_ELICITATION_REQUIRED:  # to a client that takes no URLs
        return Reply(body=encode({**error, "code": INVALID_PARAMS}), is_error=True)
    return reply


def url_required(reply: Reply) -> Reply | None:
    """The handshake era's demand to visit a URL first, as the question that 2026-07-28 has.

    None where the reply is no such demand.
    """
    if not reply.is_error or b"-32042" not in reply.body:
        return None
    error = _decode(reply.body)
    data = error.get("data")
    asked = data.get("elicitations") if isinstance(data, dict) else None
    if error.get("code") != URL_ELICITATION_REQUIRED or not isinstance(asked, list) or not asked:
        return None
    requests = {
        f"url-{number}": {"method": "elicitation/create", "params": {**one, "mode": "url"}}
        for number, one in enumerate(asked)
        if isinstance(one, dict)
    }
    body = {"resultType": "input_required", "inputRequests": requests}
    return Reply(body=encode(body), kind="input_required")


MODERN_STATUSES = {
    -32700: 400,
    -32600: 400,
    -32601: 404,
    INVALID_PARAMS: 400,
    -32020: 400,
    -32021: 400,
    -32022: 400,
}


def modern_status(error: bytes) -> int:
    """The HTTP status that 2026-07-28 gives a JSON-RPC error."""
    code = _decode(error).get("code")
    return MODERN_STATUSES.get(code, 200) if isinstance(code, int) else 200
