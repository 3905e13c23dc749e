"""The MCP messages we answer ourselves, and the modern request envelope, over raw JSON."""

from __future__ import annotations

import re

import msgspec

from callgate.model import CALL_TOOL, Era, Features, FollowUp, Json, Reply, Value
from callgate.protocol.eras import (
    META_CAPABILITIES,
    META_CLIENT,
    META_LOG_LEVEL,
    META_PREFIX,
    META_PROGRESS,
    META_SERVER,
    META_VERSION,
    MISSING_CAPABILITY,
    MODERN_VERSIONS,
    UNSUPPORTED_VERSION,
    VERSIONS,
)
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, Message
from callgate.protocol.methods import METHODS, TASKS_EXTENSION

_OWN = frozenset({META_VERSION, META_CAPABILITIES, META_CLIENT, META_LOG_LEVEL, META_PROGRESS})
_PLAIN = frozenset({"_meta"})
_FOLLOWED = _PLAIN | {"inputResponses", "requestState"}
DISCOVER_TTL_MS = 60_000
LIST_TTL_MS = 10_000


class Envelope(Value):
    """What a request says about itself, era-neutral."""

    version: str
    client: dict[str, Json] = {}
    capabilities: dict[str, Json] = {}  # of the client
    log_level: str | None = None
    meta: dict[str, Json] = {}  # what goes on to the target: trace context and vendor keys
    progress_token: Json = None


_SAYS_ERROR = re.compile(rb'"isError"\s*:\s*true')


class _Head(msgspec.Struct):
    is_error: msgspec.Raw = msgspec.field(name="isError", default=msgspec.Raw(b""))  # of any type


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
    level = meta.get(META_LOG_LEVEL)
    if level is not None and not isinstance(level, str):
        raise _invalid(message, f"{META_LOG_LEVEL} must be a string.")
    token, onward = _onward(message, meta)
    return Envelope(
        version=version,
        client=client,
        capabilities=meta[META_CAPABILITIES],
        log_level=level,
        meta=onward,
        progress_token=token,
    )


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


class MissingCapability(Malformed):
    """-32021: carries what the client would have to declare."""

    def __init__(self, message: Message, required: dict[str, Json]) -> None:
        super().__init__(
            MISSING_CAPABILITY,
            f"{message.method} needs a client that declares more.",
            message_id=message.id,
        )
        self.data = {"requiredCapabilities": required}


def check_extension(message: Message, envelope: Envelope) -> None:
    """Refuses methods of an extension that the client did not declare. Raises Malformed."""
    if not (message.method or "").startswith("tasks/"):
        return
    extensions = envelope.capabilities.get("extensions")
    if not isinstance(extensions, dict) or TASKS_EXTENSION not in extensions:
        raise MissingCapability(message, {"extensions": {TASKS_EXTENSION: {}}})


def legacy_envelope(message: Message, version: str, client: dict[str, Json]) -> Envelope:
    """The same for a request of the handshake era."""
    meta = message.params.get("_meta", {})
    if not isinstance(meta, dict):
        raise _invalid(message, "`params._meta` must be an object.")
    token, onward = _onward(message, meta)
    return Envelope(version=version, client=client, meta=onward, progress_token=token)


def _onward(message: Message, meta: dict[str, Json]) -> tuple[Json, dict[str, Json]]:
    """The progress token, and what of `_meta` goes on to the target."""
    token = meta.get(META_PROGRESS)
    if token is not None and type(token) is not str and type(token) is not int:
        raise _invalid(message, "`progressToken` must be a string or an integer.")
    if _OWN.issuperset(meta):
        return token, {}
    onward = {
        key: value
        for key, value in meta.items()
        if key != META_PROGRESS and not key.startswith(META_PREFIX)
    }
    return token, onward


def read_use(message: Message, era: Era) -> tuple[str, dict[str, Json], FollowUp | None]:
    """What a request names, its arguments, and what it sends along. Raises Malformed.

    Of tools/call the arguments are the tool's; of every other method its params without `_meta`.
    """
    method, params = METHODS[message.method or ""], message.params
    named, item = method.name, method.names
    if item is not None:
        named = params.get(item, "")
        if not isinstance(named, str) or not named:
            raise _invalid(message, f"`params.{item}` must be a string that is not empty.")
    is_followed = method.may_need_input and era is Era.MODERN
    follow_up = _follow_up(message) if is_followed else None
    if method.name != CALL_TOOL:
        left_out = _FOLLOWED if method.may_need_input else _PLAIN
        return named, {k: v for k, v in params.items() if k not in left_out}, follow_up
    arguments = params.get("arguments", {})
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise _invalid(message, "`params.arguments` must be an object.")
    return named, arguments, follow_up


def _follow_up(message: Message) -> FollowUp | None:
    params = message.params
    if "inputResponses" not in params and "requestState" not in params:
        return None
    responses, state = params.get("inputResponses", {}), params.get("requestState")
    if not isinstance(responses, dict):
        raise _invalid(message, "`params.inputResponses` must be an object.")
    for key, answer in responses.items():
        if not isinstance(answer, dict):
            raise _invalid(message, f"`params.inputResponses` must hold objects ({key[:40]!r}).")
    if state is not None and not isinstance(state, str):
        raise _invalid(message, "`params.requestState` must be a string.")
    return FollowUp(
        responses=responses if "inputResponses" in params else None,
        state=state,
    )


def _invalid(message: Message, reason: str) -> Malformed:
    return Malformed(INVALID_PARAMS, reason, message_id=message.id)


def server_info(version: str) -> dict[str, Json]:
    """Who we are."""
    return {"name": "callgate", "title": "Callgate", "version": version}


def initialize_result(protocol_version: str, version: str, offered: Features) -> dict[str, Json]:
    """The answer to a legacy `initialize`."""
    result: dict[str, Json] = {
        "protocolVersion": protocol_version,
        "capabilities": offered.capabilities,
        "serverInfo": server_info(version),
    }
    if offered.instructions:
        result["instructions"] = offered.instructions
    return result


def discover_result(version: str, offered: Features) -> dict[str, Json]:
    """The answer to a modern `server/discover`."""
    result: dict[str, Json] = {
        "resultType": "complete",
        "supportedVersions": list(VERSIONS),
        "capabilities": offered.capabilities,
        "ttlMs": DISCOVER_TTL_MS,
        "cacheScope": "private",
        "_meta": {META_SERVER: server_info(version)},
    }
    if offered.instructions:
        result["instructions"] = offered.instructions
    return result


def list_result(
    name: str, items: list[Json], era: Era, ttl_ms: int, **more: Json
) -> dict[str, Json]:
    """The answer to a list method. Private: what is listed depends on who asks."""
    result = {name: items, **{key: value for key, value in more.items() if value is not None}}
    if era is Era.LEGACY:
        return result
    return {**result, "resultType": "complete", "ttlMs": ttl_ms, "cacheScope": "private"}


def is_tool_error(reply: Reply) -> bool:
    """Whether the target itself said that the tool failed."""
    if reply.is_error:
        return True
    # The searches are cheap and the reading is not: most large results never mention it.
    if reply.body.find(b'"isError"') < 0 or _SAYS_ERROR.search(reply.body) is None:
        return False
    return bytes(_read_head(reply.body).is_error) == b"true"
