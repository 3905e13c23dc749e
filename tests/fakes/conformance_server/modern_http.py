"""The stateless era over HTTP: headers that mirror the body, one POST and one answer each."""

import asyncio
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping

from fakes.conformance_server.asgi import (
    Headers,
    HttpError,
    Receive,
    Send,
    end_events,
    first,
    open_events,
    respond,
    send_comment,
    send_event,
    while_connected,
)
from fakes.conformance_server.exchange import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LEGACY_VERSIONS,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    Caller,
    Json,
    RpcError,
    is_message,
)
from fakes.conformance_server.features import TOOLS
from fakes.conformance_server.modern import Modern, caller_of, unsupported

KEEP_ALIVE_SECONDS = 15.0
STATUS = {
    METHOD_NOT_FOUND: 404,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
}
NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
ENCODED = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)


class QueueOutlet:
    """The messages of one request, in order, until its response."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Json] = asyncio.Queue()

    def put(self, message: Json) -> None:
        self._messages.put_nowait(message)

    async def get(self) -> Json:
        return await self._messages.get()


def mismatch(why: str) -> RpcError:
    return RpcError(HEADER_MISMATCH, f"Header mismatch: {why}")


def decoded(value: str) -> str:
    found = ENCODED.fullmatch(value)
    if found is None:
        return value
    try:
        return b64decode(found.group(1), validate=True).decode()
    except ValueError as error:
        raise mismatch("a header is not valid base64") from error


def check_headers(message: Json, caller: Caller, headers: Headers) -> None:
    for name in ("mcp-protocol-version", "mcp-method", "mcp-name"):
        if len(headers.get(name, ())) > 1:
            raise mismatch(f"{name} is given twice")
    if first(headers, "mcp-protocol-version") != caller.version:
        raise mismatch("MCP-Protocol-Version does not say what _meta says")
    if first(headers, "mcp-method") != message["method"]:
        raise mismatch("Mcp-Method does not say what the body says")
    field = NAMED_BY.get(message["method"])
    if field is None:
        return
    sent = first(headers, "mcp-name")
    if sent is None or decoded(sent) != message["params"].get(field):
        raise mismatch(f"Mcp-Name does not say what params.{field} says")


def check_mirrored(message: Json, headers: Headers) -> None:
    """Whether the arguments that a tool wants mirrored are, and no others."""
    tool = TOOLS.get(str(message["params"].get("name")))
    if message["method"] != "tools/call" or tool is None:
        return
    arguments = message["params"].get("arguments")
    for header, value in _mirrored(tool.input_schema(), arguments):
        given = headers.get(f"mcp-param-{header.lower()}", [])
        if len(given) > 1:
            raise mismatch(f"Mcp-Param-{header} is given twice")
        if not _says(given[0] if given else None, value):
            raise mismatch(f"Mcp-Param-{header} does not say what the argument says")


def _mirrored(schema: Json, arguments: object) -> Iterator[tuple[str, object]]:
    values = arguments if isinstance(arguments, dict) else {}
    for name, below in schema.get("properties", {}).items():
        if header := below.get("x-mcp-header"):
            yield header, values.get(name)
        yield from _mirrored(below, values.get(name))


def _says(header: str | None, value: object) -> bool:
    if header is None or value is None:
        return header is None and value is None
    said = decoded(header)
    if isinstance(value, bool):
        return said == ("true" if value else "false")
    if isinstance(value, int):
        return re.fullmatch(r"-?\d+", said) is not None and int(said) == value
    return said == value


def check_era(message: Json, headers: Headers) -> None:
    """Refuse what only an older client says."""
    version = first(headers, "mcp-protocol-version")
    params = message.get("params") if isinstance(message.get("params"), dict) else None
    if version in LEGACY_VERSIONS:
        raise unsupported(version)
    if version is None and message["method"] == "initialize":
        raise unsupported((params or {}).get("protocolVersion"))


class ModernHttp:
    """POST, and nothing else."""

    def __init__(self, modern: Modern, *, always_streams: bool) -> None:
        self._modern = modern
        self._always_streams = always_streams

    async def post(self, message: object, headers: Headers, receive: Receive, send: Send) -> None:
        if not isinstance(message, dict) or not is_message(message):
            raise HttpError(400, RpcError(INVALID_REQUEST, "Invalid Request"))
        if not isinstance(message.get("method"), str):
            raise HttpError(400, RpcError(INVALID_REQUEST, "A request is wanted"))
        if message.get("id") is None:
            await respond(send, 202)
            return
        try:
            check_era(message, headers)
            flat = {name: ", ".join(values) for name, values in headers.items()}
            caller = caller_of(message, "http", flat)
            check_headers(message, caller, headers)
            check_mirrored(message, headers)
        except RpcError as error:
            response = {"jsonrpc": "2.0", "id": message["id"], "error": error.body()}
            await respond(send, STATUS.get(error.code, 400), response)
            return
        # In this era hanging up is how a client cancels.
        await while_connected(receive, self._exchange(message, caller, send))

    async def _exchange(self, message: Json, caller: Caller, send: Send) -> None:
        outlet = QueueOutlet()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._modern.serve(message, caller, outlet))
            await _write(outlet, send, always_streams=self._always_streams)


async def _write(outlet: QueueOutlet, send: Send, *, always_streams: bool) -> None:
    """A response alone goes as JSON; what comes after other messages is an event stream."""
    message = await outlet.get()
    # An error that comes first has an HTTP status to give.
    if "error" in message or ("method" not in message and not always_streams):
        await respond(send, _status(message), message)
        return
    await open_events(send)
    await send_event(send, message)
    while "method" in message:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                message = await outlet.get()
        except TimeoutError:
            await send_comment(send)
        else:
            await send_event(send, message)
    await end_events(send)


def _status(response: Mapping[str, Json]) -> int:
    return STATUS.get(response["error"]["code"], 200) if "error" in response else 200
