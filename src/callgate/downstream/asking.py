"""Requests of ours to an agent's client, and its responses to them."""

from __future__ import annotations

import asyncio
from typing import Protocol

from callgate.model import Json, Reply
from callgate.ports import Unanswerable
from callgate.protocol.jsonrpc import Message, encode, notification

ASK_SECONDS = 300.0  # how long a person may think about it
MOST_ASKS = 64  # that wait at once in one session


class Line(Protocol):
    """What carries messages to a client: one of its streams, or the pipe."""

    async def say(self, body: bytes) -> None:
        """Sends it; waits for a slow reader. Raises Unanswerable where nobody can hear it."""

    def mention(self, body: bytes) -> None:
        """Sends it as soon as the reader allows, without waiting. Never raises."""


class Asks:
    """The requests of one session that wait for the client's response."""

    __slots__ = ("_last", "_waiting", "is_closed")

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Reply | None]] = {}
        self._last = 0
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, line: Line, method: str, params: dict[str, Json]) -> Reply:
        """Sends a request and waits for what the client answers. Raises Unanswerable.

        Where the waiting ends without an answer, the client is told that nobody waits any more.
        """
        if self.is_closed:
            raise Unanswerable("The client's session has ended.")
        if len(self._waiting) >= MOST_ASKS:
            raise Unanswerable(f"{MOST_ASKS} requests to this client wait for an answer already.")
        self._last += 1
        ask_id = f"cg-{self._last}"
        answered: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._waiting[ask_id] = answered
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await line.say(_request(ask_id, method, params))
                reply = await answered
        except TimeoutError:
            line.mention(_withdrawn(ask_id))
            raise Unanswerable(f"The client did not answer in {ASK_SECONDS:g} seconds.") from None
        except asyncio.CancelledError:
            if answered.cancelled() or not answered.done():
                line.mention(_withdrawn(ask_id))
            raise
        finally:
            del self._waiting[ask_id]
        if reply is None:
            raise Unanswerable(
                "The client's session has ended."
                if self.is_closed
                else "The client's answer is neither a result nor an error."
            )
        return reply

    def answer(self, message: Message) -> None:
        """Takes a response of the client; one that nobody waits for is ignored."""
        answered = self._waiting.get(message.id) if type(message.id) is str else None
        if answered is not None and not answered.done():
            answered.set_result(_reply(message))

    def close(self) -> None:
        """The client is gone: nothing is answered any more."""
        self.is_closed = True
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_result(None)


def _request(ask_id: str, method: str, params: dict[str, Json]) -> bytes:
    return encode({"jsonrpc": "2.0", "id": ask_id, "method": method, "params": params})


def _withdrawn(ask_id: str) -> bytes:
    reason = "Nobody waits for the answer any more."
    return notification("notifications/cancelled", {"requestId": ask_id, "reason": reason})


def _reply(message: Message) -> Reply | None:
    """The answer as the target will get it; None where it is none."""
    error = message.error
    if isinstance(message.result, dict):
        return Reply(body=encode(message.result))
    if isinstance(error, dict) and type(error.get("code")) is int:
        return Reply(body=encode(error), is_error=True) if _says(error) else None
    return None


def _says(error: dict[str, Json]) -> bool:
    return isinstance(error.get("message"), str)
