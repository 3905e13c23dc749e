"""The MCP messages we answer ourselves, and the modern request envelope, over raw JSON."""

from __future__ import annotations

import re

import msgspec

from callgate.model import Era, Json, Reply, Value
from callgate.protocol.eras import (
    META_CAPABILITIES,
    META_CLIENT,
    META_PREFIX,
    META_PROGRESS,
    META_SERVER,
    META_VERSION,
    MODERN_VERSIONS,
    UNSUPPORTED_VERSION,
    VERSIONS,
)
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, Message

CAPABILITIES: dict[str, Json] = {"tools": {}}
DISCOVER_TTL_MS = 60_000
LIST_TTL_MS = 10_000


class Envelope(Value):
    """What a request says about itself, era-neutral."""

    version: str
    client: dict[str, Json] = {}
    meta: dict[str, Json] = {}  # what goes on to the target: trace context and vendor keys
    progress_token: Json = None


_SAYS_ERROR = re.compile(rb'"isError"\s*:\s*true')


class _Head(msgspec.Struct):
    result_type: str | None = msgspec.field(name="resultType", default=None)
    is_error: bool | None = msgspec.field(name="isError", default=None)


_read_head = msgspec.json.Decoder(_Head).decode


def modern_envelope(message: Message) -> Envelope:
    """The `_meta` of a 2026-07-28 request. Raises Malformed where a required key is missing."""
    meta = message.params.get("_meta")
    if not isinstance(meta, dict):
        raise _invalid(message, "`params._meta` is missing; a 2026-07-28 request carries it.")
    version = meta.get(META_VERSION)
    if not isinstance(version, str):
        raise _invalid(message, f"`params._meta` lacks the string {META_VERSION}.")
    if not isinstance(meta.get(META_CAPABILITIES), dict):
        raise _invalid(message, f"`params._meta` lacks the object {META_CAPABILITIES}.")
    client = meta.get(META_CLIENT, {})
    if not isinstance(client, dict):
        raise _invalid(message, f"{META_CLIENT} must be an object.")
    return _envelope(message, version, client, meta)


def check_version(message: Message, version: str) -> None:
    """Refuses a version that is not ours on the modern path. Raises Malformed with the list."""
    if version not in MODERN_VERSIONS:
        raise UnsupportedVersion(message, version)


class UnsupportedVersion(Malformed):
    """-32022: carries what we support."""

    def __init__(self, message: Message, version: str) -> None:
        super().__init__(
            UNSUPPORTED_VERSION,
            f"The protocol version {version[:32]!r} is not supported.",
            message_id=message.id,
        )
        self.data = {"supported": list(VERSIONS), "requested": version}


def legacy_envelope(message: Message, version: str, client: dict[str, Json]) -> Envelope:
    """The same for a request of the handshake era."""
    meta = message.params.get("_meta", {})
    if not isinstance(meta, dict):
        raise _invalid(message, "`params._meta` must be an object.")
    return _envelope(message, version, client, meta)


def _envelope(
    message: Message, version: str, client: dict[str, Json], meta: dict[str, Json]
) -> Envelope:
    token = meta.get(META_PROGRESS)
    if token is not None and type(token) is not str and type(token) is not int:
        raise _invalid(message, "`progressToken` must be a string or an integer.")
    onward = {
        key: value
        for key, value in meta.items()
        if key != META_PROGRESS and not key.startswith(META_PREFIX)
    }
    return Envelope(version=version, client=client, meta=onward, progress_token=token)


def read_tool_call(message: Message) -> tuple[str, dict[str, Json]]:
    """Name and arguments of a tools/call. Raises Malformed."""
    name = message.params.get("name")
    if not isinstance(name, str) or not name:
        raise _invalid(message, "`params.name` must be the name of a tool.")
    arguments = message.params.get("arguments", {})
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise _invalid(message, "`params.arguments` must be an object.")
    if "inputResponses" in message.params or "requestState" in message.params:
        raise _invalid(message, "No input was asked for; call without inputResponses.")
    return name, arguments


def _invalid(message: Message, reason: str) -> Malformed:
    return Malformed(INVALID_PARAMS, reason, message_id=message.id)


def server_info(version: str) -> dict[str, Json]:
    """Who we are."""
    return {"name": "callgate", "title": "Callgate", "version": version}


def initialize_result(
    protocol_version: str, version: str, instructions: str | None
) -> dict[str, Json]:
    """The answer to a legacy `initialize`."""
    result: dict[str, Json] = {
        "protocolVersion": protocol_version,
        "capabilities": CAPABILITIES,
        "serverInfo": server_info(version),
    }
    if instructions:
        result["instructions"] = instructions
    return result


def discover_result(version: str, instructions: str | None) -> dict[str, Json]:
    """The answer to a modern `server/discover`."""
    result: dict[str, Json] = {
        "resultType": "complete",
        "supportedVersions": list(VERSIONS),
        "capabilities": CAPABILITIES,
        "ttlMs": DISCOVER_TTL_MS,
        "cacheScope": "private",
        "_meta": {META_SERVER: server_info(version)},
    }
    if instructions:
        result["instructions"] = instructions
    return result


def list_result(tools: list[Json], era: Era, ttl_ms: int) -> dict[str, Json]:
    """The answer to tools/list. Private: what is listed depends on who asks."""
    if era is Era.LEGACY:
        return {"tools": tools}
    return {"tools": tools, "resultType": "complete", "ttlMs": ttl_ms, "cacheScope": "private"}


def deliverable(reply: Reply, era: Era) -> bytes:
    """A target's result in the caller's era: byte for byte, but for the modern `resultType`."""
    body = reply.body
    if era is Era.LEGACY or reply.is_error or _read_head(body).result_type is not None:
        return body
    inner = body.strip()[1:]
    return b'{"resultType":"complete"' + (b"}" if inner.strip() == b"}" else b"," + inner)


def is_tool_error(reply: Reply) -> bool:
    """Whether the target itself said that the tool failed."""
    if reply.is_error:
        return True
    # The search is cheap and the reading is not: most large results never mention it.
    return _SAYS_ERROR.search(reply.body) is not None and _read_head(reply.body).is_error is True
