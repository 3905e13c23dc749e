"""Both eras over standard input and output, one JSON-RPC message a line."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from fakes.conformance_server.exchange import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Json,
    RpcError,
    World,
    is_message,
)
from fakes.conformance_server.http import is_modern
from fakes.conformance_server.legacy import Session
from fakes.conformance_server.modern import Modern, caller_of, unsupported

MOST_LINE_BYTES = 4 * 1024 * 1024
GRACE_SECONDS = 1.0


class Lines:
    """Writes messages in the order in which they were put."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Json] = asyncio.Queue()

    def put(self, message: Json) -> None:
        self._messages.put_nowait(message)

    async def write(self) -> None:
        while True:
            line = json.dumps(await self._messages.get()) + "\n"
            # In a thread: a client that does not read must not stop us from reading.
            await asyncio.to_thread(self._flush, line)
            self._messages.task_done()

    async def drain(self) -> None:
        await self._messages.join()

    @staticmethod
    def _flush(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()


class StdioServer:
    """One client; each message is of the era that it speaks."""

    def __init__(self, world: World, era: str, lines: Lines) -> None:
        self._world = world
        self._era = era
        self._lines = lines
        self._modern = Modern(world)
        self._session: Session | None = None
        self._calls: dict[object, asyncio.Task[None]] = {}

    def take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._refuse(None, RpcError(PARSE_ERROR, "Parse error"))
            return
        if not isinstance(message, dict) or not is_message(message):
            self._refuse(None, RpcError(INVALID_REQUEST, "Invalid Request"))
        elif "method" not in message or message.get("id") is None:
            self._told(message)
        else:
            try:
                self._asked(message)
            except RpcError as error:
                self._refuse(message["id"], error)

    def _refuse(self, id_: object, error: RpcError) -> None:
        self._lines.put({"jsonrpc": "2.0", "id": id_, "error": error.body()})

    def _told(self, message: Json) -> None:
        if message.get("method") == "notifications/cancelled":
            call = self._calls.get((message.get("params") or {}).get("requestId"))
            if call is not None:
                call.cancel()
        elif self._session is not None:
            self._session.receive(message)

    def _asked(self, message: Json) -> None:
        if self._era == "modern" or (self._era == "both" and is_modern(message, None)):
            self._asked_modern(message)
        elif message["method"] == "initialize":
            params = message.get("params")
            self._session = Session(
                self._world, params if isinstance(params, dict) else {}, "stdio", self._lines
            )
            result = self._session.greeting()
            self._lines.put({"jsonrpc": "2.0", "id": message["id"], "result": result})
        elif self._session is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found before initialize")
        else:
            self._spawn(message, self._session.serve(message, self._lines, {}))

    def _asked_modern(self, message: Json) -> None:
        if message["method"] == "initialize" and not is_modern(message, None):
            params = message.get("params")
            raise unsupported((params or {}).get("protocolVersion"))
        caller = caller_of(message, "stdio", {})
        self._spawn(message, self._modern.serve(message, caller, self._lines))

    async def finish(self) -> None:
        if self._calls:
            await asyncio.wait(self._calls.values())

    def _spawn(self, message: Json, work: Coroutine[Any, Any, None]) -> None:
        task = self._world.spawn(work)
        calls = self._calls
        calls[message["id"]] = task
        task.add_done_callback(lambda _: calls.pop(message["id"], None))


async def serve(world: World, era: str) -> None:
    """Serve until standard input ends."""
    lines = Lines()
    world.spawn(lines.write())
    server = StdioServer(world, era, lines)
    reader = asyncio.StreamReader(limit=MOST_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        server.take(line)
    # What was asked before the end is still answered, if that is quick.
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            await server.finish()
            await lines.drain()
