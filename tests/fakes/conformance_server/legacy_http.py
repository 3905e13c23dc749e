"""The session era over HTTP: POST, GET and DELETE on one endpoint, streams that can be resumed."""

import asyncio
from collections.abc import Mapping

from fakes.conformance_server.asgi import (
    Headers,
    HttpError,
    Receive,
    Send,
    end_events,
    first,
    open_events,
    respond,
    send_event,
    while_connected,
)
from fakes.conformance_server.exchange import (
    INVALID_REQUEST,
    LEGACY_VERSIONS,
    Json,
    RpcError,
    World,
    is_message,
)
from fakes.conformance_server.legacy import Session
from fakes.conformance_server.stream import Stream

RETRY_MS = 100
MOST_SESSIONS = 1000
MOST_STREAMS = 200
MAY_TALK = ("tools/call", "prompts/get", "resources/read")
BAD_REQUEST = -32000


class HttpSession:
    """A session and its streams: one that stands alone, and one for each POST that needs it."""

    def __init__(self, world: World, params: Json) -> None:
        self.standalone = Stream()
        self.session = Session(world, params, "http", self.standalone)
        self._streams: dict[str, Stream] = {self.standalone.name: self.standalone}

    def open(self) -> Stream:
        stream = Stream()
        if self.session.is_resumable:
            stream.put(None)
        over = [name for name, each in self._streams.items() if each.is_finished]
        for name in over[: max(0, len(self._streams) - MOST_STREAMS)]:
            del self._streams[name]
        self._streams[stream.name] = stream
        return stream

    def resume(self, last_event: str) -> tuple[Stream, int]:
        name, _, number = last_event.rpartition("-")
        if name not in self._streams or not number.isdigit():
            raise bad_request("Unknown Last-Event-ID")
        return self._streams[name], int(number)


class Answers:
    """An outlet for requests that are answered without a stream."""

    def __init__(self) -> None:
        self.messages: list[Json] = []

    def put(self, message: Json) -> None:
        self.messages.append(message)


def bad_request(why: str, status: int = 400) -> HttpError:
    return HttpError(status, RpcError(BAD_REQUEST, f"Bad Request: {why}"))


class LegacyHttp:
    """All sessions over HTTP."""

    def __init__(self, world: World, *, prefers_json: bool) -> None:
        self._world = world
        self._prefers_json = prefers_json
        self._sessions: dict[str, HttpSession] = {}

    async def post(self, body: object, headers: Headers, receive: Receive, send: Send) -> None:
        if isinstance(body, dict) and body.get("method") == "initialize":
            await self._initialize(body, send)
            return
        held = self._find(headers)
        requests = []
        for message in self._messages(body, held.session):
            if "method" in message and message.get("id") is not None:
                requests.append(message)
            else:
                held.session.receive(message)
        flat = {name: ", ".join(values) for name, values in headers.items()}
        if not requests:
            await respond(send, 202)
        elif self._prefers_json and not any(each["method"] in MAY_TALK for each in requests):
            answers = Answers()
            for request in requests:
                await held.session.serve(request, answers, flat)
            body = answers.messages if isinstance(body, list) else answers.messages[0]
            await respond(send, 200, body, session_header(held))
        else:
            stream = held.open()
            reader = stream.attach()
            self._start(held, stream, requests, flat)
            # Hanging up is not cancelling in this era: the work goes on, the stream is kept.
            await while_connected(receive, _copy(stream, reader, send, session_header(held)))

    def _messages(self, body: object, session: Session) -> list[Json]:
        # Batches are of 2025-03-26 alone.
        is_batch = isinstance(body, list) and session.version == "2025-03-26"
        given: list[object] = body if is_batch and isinstance(body, list) else [body]
        messages = [each for each in given if isinstance(each, dict)]
        if not given or len(messages) < len(given):
            raise HttpError(400, RpcError(INVALID_REQUEST, "Invalid Request"))
        if not all(is_message(message) for message in messages):
            raise HttpError(400, RpcError(INVALID_REQUEST, "Not JSON-RPC 2.0"))
        return messages

    def _start(
        self, held: HttpSession, stream: Stream, requests: list[Json], flat: Mapping[str, str]
    ) -> None:
        session = held.session
        tasks = []
        for request in requests:
            task = self._world.spawn(session.serve(request, stream, flat))
            session.calls[request["id"]] = task
            tasks.append(task)
        left = set(tasks)

        def done(task: asyncio.Task[None]) -> None:
            left.discard(task)
            for id_ in [key for key, value in session.calls.items() if value is task]:
                del session.calls[id_]
            if not left:
                stream.finish()

        for task in tasks:
            task.add_done_callback(done)

    async def _initialize(self, message: Json, send: Send) -> None:
        params = message.get("params")
        try:
            held = HttpSession(self._world, params if isinstance(params, dict) else {})
        except RpcError as error:
            response = {"jsonrpc": "2.0", "id": message.get("id"), "error": error.body()}
            await respond(send, 200, response)
            return
        if len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions))).session.end()
        self._sessions[str(held.session.id)] = held
        result = {"jsonrpc": "2.0", "id": message.get("id"), "result": held.session.greeting()}
        await respond(send, 200, result, session_header(held))

    async def get(self, headers: Headers, receive: Receive, send: Send) -> None:
        if "text/event-stream" not in (first(headers, "accept") or ""):
            raise bad_request("Client must accept text/event-stream", 406)
        held = self._find(headers)
        last = first(headers, "last-event-id")
        stream, after = (held.standalone, None) if last is None else held.resume(last)
        reader = stream.attach(after)
        await while_connected(receive, _copy(stream, reader, send, session_header(held)))

    async def delete(self, headers: Headers, send: Send) -> None:
        held = self._find(headers)
        del self._sessions[str(held.session.id)]
        held.session.end()
        held.standalone.finish()
        await respond(send, 200)

    def _find(self, headers: Headers) -> HttpSession:
        version = first(headers, "mcp-protocol-version")
        if version is not None and version not in LEGACY_VERSIONS:
            known = ", ".join(LEGACY_VERSIONS)
            raise bad_request(f"Unsupported protocol version: {version} (supported: {known})")
        id_ = first(headers, "mcp-session-id")
        if id_ is None:
            raise bad_request("Mcp-Session-Id header is required")
        if id_ not in self._sessions:
            raise HttpError(404, RpcError(-32001, "Session not found"))
        return self._sessions[id_]


def session_header(held: HttpSession) -> list[tuple[str, str]]:
    return [("mcp-session-id", str(held.session.id))]


async def _copy(stream: Stream, reader: int, send: Send, headers: list[tuple[str, str]]) -> None:
    await open_events(send, headers)
    async for id_, message in stream.read(reader):
        await send_event(send, message, id_, RETRY_MS if message is None else None)
    await end_events(send)
