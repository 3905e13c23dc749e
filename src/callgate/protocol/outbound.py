"""What we say to targets and what they answer: built in one piece, cut out raw, nothing lost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

from callgate.model import NOTHING, Era, Json, Offer, Ran, Reply
from callgate.protocol.eras import (
    LATEST_LEGACY,
    LATEST_MODERN,
    META_CAPABILITIES,
    META_CLIENT,
    META_LOG_LEVEL,
    META_PREFIX,
    META_PROGRESS,
    META_VERSION,
)
from callgate.protocol.headers import Path, encode_value, param_headers
from callgate.protocol.jsonrpc import METHOD_NOT_FOUND, encode, error_response, response

PROGRESS = "notifications/progress"
LOGGED = "notifications/message"
UPDATED = "notifications/resources/updated"
ELICITED = "notifications/elicitation/complete"  # handshake era: a URL was visited
CHANGES: Mapping[str, str] = {
    f"notifications/{what}/list_changed": what for what in ("tools", "resources", "prompts")
}
"""The notification that a list changed → which list."""
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
SUBSCRIPTION = META_PREFIX + "subscriptionId"  # in `_meta` of all that a listen stream says
REPLY_KINDS = frozenset({"complete", "input_required", "task"})
MAX_ENVELOPES = 256


class Message(msgspec.Struct):
    """Any JSON-RPC message from a target, its parts still raw. Empty raw: the part is absent."""

    id: int | str | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_response(self) -> bool:
        """Whether it answers a request of ours."""
        return self.method is None


class Fault(msgspec.Struct):
    """A JSON-RPC error object, as far as we act on it."""

    code: int
    message: str
    data: Json = None


class _ResultHead(msgspec.Struct):
    result_type: str | None = msgspec.field(name="resultType", default=None)


class WireError(Exception):
    """The target said something that the protocol does not allow. `ran` is about the tool."""

    def __init__(self, reason: str, *, ran: Ran = Ran.UNKNOWN) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ran = ran


_ENDS_COMPLETE = b',"resultType":"complete"}'
_read_message = msgspec.json.Decoder(Message).decode
_read_fault = msgspec.json.Decoder(Fault).decode
_read_head = msgspec.json.Decoder(_ResultHead).decode
_read_object = msgspec.json.Decoder(dict[str, Json]).decode
_read_value = msgspec.json.Decoder().decode
_COLON = re.compile(rb"\\u003[aA]")


def read_message(data: bytes) -> Message:
    """The message in `data`. Raises WireError where it is not one JSON-RPC message in UTF-8."""
    try:
        if not data.isascii():
            data.decode("utf-8")
        return _read_message(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a JSON-RPC message: {type(error).__name__}") from None


def answered_ids(data: bytes) -> list[int]:
    """Which requests are answered by what cannot be read as a message, as far as that can be told:
    it holds NaN, broken UTF-8 or half a surrogate pair, or it is a batch.
    """
    try:
        value = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return []
    messages = value if isinstance(value, list) else [value]
    return [
        one["id"]
        for one in messages
        if isinstance(one, dict) and "method" not in one and type(one.get("id")) is int
    ]


def cut_reply(message: Message) -> Reply:
    """The raw result or error of a response, byte for byte. Raises WireError."""
    result = bytes(message.result)
    if message.error:
        if result:
            raise WireError("a response with both result and error")
        read_fault(message)
        return Reply(body=bytes(message.error), is_error=True)
    if not result:
        raise WireError("a response with neither result nor error")
    if result[:1] != b"{":
        raise WireError("a result that is not an object", ran=Ran.YES)
    return Reply(body=result, kind=_kind(result))


def _kind(result: bytes) -> str | None:
    """The `resultType` of an object; of several the last."""
    if result.endswith(_ENDS_COMPLETE):
        return "complete"  # what is last in it is no part of anything else in it
    if result.find(b"resultType") < 0 and result.find(b"\\u") < 0:
        return None
    try:
        kind = _read_head(result).result_type
    except (msgspec.DecodeError, RecursionError):
        raise WireError("a result whose resultType is not a string") from None
    if kind is not None and kind not in REPLY_KINDS:
        raise WireError(f"a result of the unknown type {kind[:40]!r}")
    return kind


def read_fault(message: Message) -> Fault:
    """The error object of a response. Raises WireError where it is none."""
    try:
        return _read_fault(message.error)
    except (msgspec.DecodeError, RecursionError):
        raise WireError("an error without code and message") from None


def read_once(body: bytes) -> tuple[Json, bytes]:
    """What a result or error says, and JSON that nobody reads as anything else: its own bytes, but
    for an object that has a key twice. Raises WireError.
    """
    try:
        value = _read_value(body)
    except (msgspec.DecodeError, RecursionError):
        raise WireError("a result that cannot be read", ran=Ran.YES) from None
    again = encode(value)
    # A key that was dropped took its colon along; only an escape could make up for one.
    is_whole = again.count(b":") == body.count(b":") and _COLON.search(body) is None
    return value, body if is_whole else again


def read_params(message: Message) -> dict[str, Json]:
    """The params of a request or notification; empty where there are none or no object."""
    try:
        return _read_object(message.params) if bytes(message.params) else {}
    except (msgspec.DecodeError, RecursionError):
        return {}


def without_subscription(params: dict[str, Json]) -> tuple[dict[str, Json], int | None]:
    """The params as a client may see them, and the id of the stream that they came on."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or SUBSCRIPTION not in meta:
        return params, None
    onward = {key: value for key, value in meta.items() if key != SUBSCRIPTION}
    rest = {key: value for key, value in params.items() if key != "_meta"}
    if onward:
        rest["_meta"] = onward
    listen_id = meta[SUBSCRIPTION]
    return rest, listen_id if type(listen_id) is int else None


def read_result(message: Message) -> dict[str, Json]:
    """The parsed result of a response. Raises WireError for an error or what is no result."""
    reply = cut_reply(message)
    if reply.is_error:
        fault = read_fault(message)
        raise WireError(f"the error {fault.code}: {fault.message[:200]}", ran=Ran.NO)
    try:
        return _read_object(reply.body)
    except (msgspec.DecodeError, RecursionError):
        raise WireError("a result that cannot be read") from None


class Words:
    """What this gateway says to targets, with its own name and version in it."""

    def __init__(self, version: str) -> None:
        self._client: Json = {"name": "callgate", "title": "Callgate", "version": version}
        self._envelopes: dict[tuple[str, str | None], bytes] = {}

    def _envelope(self, offer: Offer, log_level: str | None) -> bytes:
        """The modern envelope without its closing brace, which comes after the call's own meta."""
        key = (offer.digest, log_level)
        known = self._envelopes.get(key)
        if known is None:
            said: dict[str, Json] = {
                META_VERSION: LATEST_MODERN,
                META_CLIENT: self._client,
                META_CAPABILITIES: offer.capabilities,
            }
            if log_level is not None:
                said[META_LOG_LEVEL] = log_level
            if len(self._envelopes) >= MAX_ENVELOPES:
                self._envelopes.clear()
            known = self._envelopes[key] = encode(said)[:-1]
        return known

    def meta(
        self,
        era: Era,
        onward: Mapping[str, Json] = {},
        token: int | None = None,
        offer: Offer = NOTHING,
        log_level: str | None = None,
    ) -> bytes:
        """`_meta` of one request: the era's envelope, our progress token, the caller's own keys.

        Empty where a legacy request needs none. Reserved keys in `onward` are dropped: what the
        caller says about itself is never said to the target in our name.
        """
        is_modern = era is Era.MODERN
        if token is None and not onward:
            return self._envelope(offer, log_level) + b"}" if is_modern else b""
        parts = [self._envelope(offer, log_level)] if is_modern else [b"{"]
        if token is not None:
            parts.append(b'"progressToken":%d' % token)
        if onward:
            free = {
                key: value
                for key, value in onward.items()
                if key != META_PROGRESS and not key.startswith(META_PREFIX)
            }
            if free:
                parts.append(encode(free)[1:-1])
        if is_modern:
            return b",".join(parts) + b"}"
        return parts[0] + b",".join(parts[1:]) + b"}" if len(parts) > 1 else b""

    @staticmethod
    def request(request_id: int, method: str, params: bytes, meta: bytes) -> bytes:
        """A request around params that are a JSON object already, without `_meta`."""
        inner = params[:-1]
        if meta:
            inner += b'"_meta":' + meta if inner == b"{" else b',"_meta":' + meta
        return b'{"jsonrpc":"2.0","id":%d,"method":"%b","params":%b}}' % (
            request_id,
            method.encode(),
            inner,
        )

    def list(self, request_id: int, era: Era, cursor: str | None, offer: Offer = NOTHING) -> bytes:
        """One page of tools/list."""
        params: dict[str, Json] = {} if cursor is None else {"cursor": cursor}
        return self.request(request_id, "tools/list", encode(params), self.meta(era, offer=offer))

    def discover(self, request_id: int) -> bytes:
        """The modern era's opening question."""
        return self.request(request_id, "server/discover", b"{}", self.meta(Era.MODERN))

    def listen(
        self, request_id: int, notifications: Mapping[str, Json], offer: Offer = NOTHING
    ) -> bytes:
        """Asks a modern target to say what changes (subscriptions/listen, params.notifications)."""
        params = encode({"notifications": notifications})
        meta = self.meta(Era.MODERN, offer=offer)
        return self.request(request_id, "subscriptions/listen", params, meta)

    def initialize(self, request_id: int, offer: Offer = NOTHING) -> bytes:
        """The legacy era's handshake, offering our newest revision of it."""
        params = {
            "protocolVersion": LATEST_LEGACY,
            "capabilities": offer.capabilities,
            "clientInfo": self._client,
        }
        return self.request(request_id, "initialize", encode(params), b"")


ROOTS_CHANGED = b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}'
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


def cancelled(request_id: int) -> bytes:
    """Tells a target that nobody waits for this request any more."""
    params = {"requestId": request_id, "reason": "Nobody waits for the answer any more."}
    return encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def answer(message: Message, reply: Reply) -> bytes:
    """The response to a request of the target: what the agent's client answered."""
    body = msgspec.Raw(reply.body)
    if reply.is_error:
        return encode({"jsonrpc": "2.0", "id": message.id, "error": body})
    return response(message.id, body)


def not_offered(message: Message) -> bytes:
    """The answer to a request of the target that nobody takes."""
    return error_response(message.id, METHOD_NOT_FOUND, "No such request is taken here.")


Headers = list[tuple[str, str]]


def modern_headers(method: str, name: str | None = None) -> Headers:
    """The routing headers that a modern POST must carry."""
    headers = [("MCP-Protocol-Version", LATEST_MODERN), ("Mcp-Method", method)]
    if name is not None:
        headers.append(("Mcp-Name", encode_value(name)))
    return headers


def mirrored_headers(paths: Mapping[Path, str], arguments: bytes) -> Headers:
    """The `Mcp-Param-*` headers for arguments that are JSON already."""
    return list(param_headers(paths, _read_object(arguments)).items())
