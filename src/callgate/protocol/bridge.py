"""What a target answered, said in the words of the caller's era and under its route's names."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callgate.model import Call, Era, Json, Reply
from callgate.protocol.jsonrpc import INVALID_PARAMS, encode
from callgate.protocol.naming import shown_uri

RESOURCE_NOT_FOUND = -32002  # handshake era; 2026-07-28 has -32602 for it
URL_ELICITATION_REQUIRED = -32042  # 2025-11-25; 2026-07-28 asks with `input_required`

Members = dict[str, msgspec.Raw]


class _Head(msgspec.Struct):
    result_type: str | None = msgspec.field(name="resultType", default=None)


class _Fault(msgspec.Struct):
    code: int
    data: Json = None


_read_head = msgspec.json.Decoder(_Head).decode
_read_fault = msgspec.json.Decoder(_Fault).decode
# Only what must change is read: the rest may hold numbers that no double holds.
_members = msgspec.json.Decoder(Members).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def deliverable(call: Call, reply: Reply) -> Reply:
    """The reply as the caller is to get it: the target's own bytes, but for what must differ."""
    if reply.is_error:
        return _error(call, reply)
    body = reply.body
    if call.method == "resources/read":
        body = _read_result(call, body)
    elif call.route is None and body.find(b'"resource_link"') >= 0:
        body = _linked(call, body)
    if call.era is Era.MODERN and _kind(body) is None:
        body = _completed(body)
    return reply if body is reply.body else Reply(body=body, kind=reply.kind)


def _kind(body: bytes) -> str | None:
    # Its letters may be spelt as escapes.
    may_have = body.find(b"resultType") >= 0 or body.find(b"\\u") >= 0
    return _read_head(body).result_type if may_have else None


def _completed(body: bytes) -> bytes:
    if body.find(b"resultType") >= 0 or body.find(b"\\u") >= 0:
        members = _members(body)
        if "resultType" in members:  # as null: a second one would make two readings
            return encode({**members, "resultType": "complete"})
    inner = body.strip()[1:]
    return b'{"resultType":"complete"' + (b"}" if inner.strip() == b"}" else b"," + inner)


def _read_result(call: Call, body: bytes) -> bytes:
    """Under the URI that was asked for; never to be shared: not everybody may read it."""
    if _kind(body) == "input_required":
        return body
    before = _members(body)
    result = dict(before)
    if call.era is Era.MODERN:
        result.setdefault("ttlMs", msgspec.Raw(b"0"))
        result["cacheScope"] = msgspec.Raw(b'"private"')
    own, shown = call.arguments.get("uri"), call.requested_name
    if own != shown and "contents" in result:
        result["contents"] = _each(
            result["contents"], lambda content: shown if _text(content, "uri") == own else None
        )
    return body if result == before else encode(result)


def _linked(call: Call, body: bytes) -> bytes:
    """Links to resources, so that the caller can read them on the route where it got them."""
    assert call.tool is not None  # noqa: S101 - what was forwarded has its target
    target = call.tool.target
    result = _members(body)
    if "content" not in result:
        return body

    def link(item: Members) -> str | None:
        uri = _text(item, "uri") if _text(item, "type") == "resource_link" else None
        return None if uri is None else shown_uri(target, uri)

    linked = _each(result["content"], link)
    return body if linked == result["content"] else encode({**result, "content": linked})


def _each(items: msgspec.Raw, rename: Callable[[Members], str | None]) -> msgspec.Raw:
    """A list with the URIs that `rename` gives its objects; anything else as it is."""
    if bytes(items)[:1] != b"[":
        return items
    found = _items(items)
    for place, item in enumerate(found):
        members = _members(item) if bytes(item)[:1] == b"{" else {}
        uri = rename(members)
        if uri is not None:
            found[place] = msgspec.Raw(encode({**members, "uri": uri}))
    return msgspec.Raw(encode(found))


def _text(members: Members, name: str) -> str | None:
    raw = bytes(members.get(name, b""))
    return str(msgspec.json.decode(raw)) if raw[:1] == b'"' else None


def _error(call: Call, reply: Reply) -> Reply:
    if call.era is not Era.MODERN:
        return reply
    # The second one goes to a client that takes no URLs.
    if _read_fault(reply.body).code not in (RESOURCE_NOT_FOUND, URL_ELICITATION_REQUIRED):
        return reply
    return Reply(body=encode({**_members(reply.body), "code": INVALID_PARAMS}), is_error=True)


def url_required(reply: Reply) -> Reply | None:
    """The handshake era's demand to visit a URL first, as the question that 2026-07-28 has.

    None where the reply is no such demand.
    """
    if not reply.is_error or b"-32042" not in reply.body:
        return None
    fault = _read_fault(reply.body)
    asked = fault.data.get("elicitations") if isinstance(fault.data, dict) else None
    if fault.code != URL_ELICITATION_REQUIRED or not isinstance(asked, list):
        return None
    requests = {
        f"url-{number}": {"method": "elicitation/create", "params": {**one, "mode": "url"}}
        for number, one in enumerate(asked)
        if isinstance(one, dict)
    }
    if not requests:
        return None
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
    code = msgspec.json.decode(bytes(_members(error).get("code", b"null")))
    return MODERN_STATUSES.get(code, 200) if isinstance(code, int) else 200
