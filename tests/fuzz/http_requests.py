"""What a listener reads: any bytes, in any pieces, mean the same requests, and h11 reads no others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import h11

from callgate.asgi import Scope
from callgate.serving.connection import Connection
from callgate.serving.known_heads import KnownHeads
from callgate.serving.transaction import Transaction

STEPS = (1, 3, 17)
MOST_REQUESTS = 50
HEADS = re.compile(rb"(?=(?:GET|POST) /)")  # where some may begin


class Seen(NamedTuple):
    """A request as it was understood."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Owner:
    """Answers every request in a task of its own, as a listener does."""

    is_stopping = False

    def __init__(self, known: KnownHeads) -> None:
        self.known = known
        self.scope: Scope = {"type": "http", "scheme": "http"}
        self.seen: list[Seen] = []
        self.tasks: list[asyncio.Task[None]] = []

    def joined(self, connection: Connection) -> bool:
        return True

    def left(self, connection: Connection) -> None:
        pass

    def date_line(self) -> bytes:
        return b"date: now\r\n"

    def words(self, status: int, reason: str) -> tuple[bytes, bytes]:
        return b"text/plain", reason.encode()

    def serve(self, transaction: Transaction, connection: Connection) -> None:
        work = self._answer(transaction)
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def _answer(self, transaction: Transaction) -> None:
        body = b""
        while True:
            event = await transaction.receive()
            if event["type"] != "http.request":
                return
            body += event["body"]
            if not event["more_body"]:
                break
        scope = transaction.scope
        target = scope["raw_path"] + (
            b"?" + scope["query_string"] if scope["query_string"] else b""
        )
        self.seen.append(Seen(scope["method"], target, tuple(scope["headers"]), body))
        await transaction.send({"type": "http.response.start", "status": 200})
        await transaction.send({"type": "http.response.body", "body": b"ok"})


def http_requests(data: bytes) -> None:
    """The bytes of one connection."""
    known = KnownHeads()
    seen = asyncio.run(_served([data], known))
    assert asyncio.run(_served([data], known)) == seen
    for step in STEPS:
        pieces = [data[begin : begin + step] for begin in range(0, len(data), step)]
        assert asyncio.run(_served(pieces, known)) == seen
        assert asyncio.run(_served(pieces, KnownHeads())) == seen
    http_pieces([piece for piece in HEADS.split(data) if piece])
    others = _as_h11_reads(data)
    for ours, theirs in zip(seen, others, strict=False):
        assert (ours.method, ours.body) == (theirs.method, theirs.body)
        if theirs.target[:1] == b"/":
            assert ours.target == theirs.target.rstrip(b"?") or ours.target == theirs.target
        assert ours.headers == theirs.headers


def http_pieces(pieces: Sequence[bytes]) -> list[Seen]:
    """The bytes of one connection as they arrive: they mean what they mean at once."""
    seen = asyncio.run(_served([b"".join(pieces)], KnownHeads()))
    known = KnownHeads()
    for _ in range(2):
        assert asyncio.run(_served(pieces, known)) == seen
    return seen


async def _served(pieces: Sequence[bytes], known: KnownHeads) -> list[Seen]:
    owner, transport = _Owner(known), _Transport()
    connection = Connection(owner, asyncio.get_running_loop())
    connection.connection_made(transport)
    for piece in pieces:
        if transport.is_closed:
            break
        connection.data_received(piece)
        await _settled(owner)
    connection.connection_lost(None)
    await _settled(owner)
    assert all(task.done() for task in owner.tasks)
    for task in owner.tasks:
        task.result()
    assert transport.written == b"" or transport.written.startswith(b"HTTP/1.1 ")
    assert transport.written.count(b"HTTP/1.1 200 ") == len(owner.seen)
    return owner.seen


async def _settled(owner: _Owner) -> None:
    """As far as the applications get with what there is."""
    for _ in range(3 * MOST_REQUESTS):
        before = len(owner.tasks), sum(task.done() for task in owner.tasks)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if (len(owner.tasks), sum(task.done() for task in owner.tasks)) == before:
            return


def _as_h11_reads(data: bytes) -> list[Seen]:
    """The requests that another parser finds, up to the first that it does not take."""
    wire = h11.Connection(h11.SERVER)
    found: list[Seen] = []
    wire.receive_data(data)
    try:
        while len(found) < MOST_REQUESTS:
            head = wire.next_event()
            if not isinstance(head, h11.Request):
                break
            body = b""
            while isinstance(event := wire.next_event(), h11.Data):
                body += bytes(event.data)
            if not isinstance(event, h11.EndOfMessage):
                break
            headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
            method = head.method.decode()
            found.append(Seen(method, bytes(head.target), headers, body))
            wire.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            wire.send(h11.EndOfMessage())
            wire.start_next_cycle()
    except h11.ProtocolError:
        pass
    return found
