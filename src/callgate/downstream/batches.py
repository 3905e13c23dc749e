"""JSON-RPC batches, which one revision of MCP had: many messages in, one array of responses out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from callgate.downstream.dispatch import malformed_answer, unidentified_answer
from callgate.model import Era, Json, Refused
from callgate.protocol.jsonrpc import INVALID_REQUEST, Malformed, Message, read_message

VERSION = "2025-03-26"  # the only revision with batches
MOST_MESSAGES = 32

Treat = Callable[[Message], Awaitable[bytes | None]]
Note = Callable[[str], Awaitable[None]]


async def _nothing(_reason: str) -> None:
    """Where nobody takes note of what cannot be read."""


async def answer_batch(values: list[Json], treat: Treat, note: Note = _nothing) -> bytes | None:
    """The responses in the order of the requests; None where no message needs one.

    Each message is treated as if it had come alone, all at once; `note` is told why one cannot be
    taken. Raises Malformed where that is so of the whole batch.
    """
    if not values:
        raise Malformed(INVALID_REQUEST, "The batch is empty.")
    if len(values) > MOST_MESSAGES:
        raise Malformed(INVALID_REQUEST, f"A batch holds at most {MOST_MESSAGES} messages.")
    async with asyncio.TaskGroup() as tasks:
        answering = [tasks.create_task(_answer(value, treat, note)) for value in values]
    # A request that its caller cancelled has no response.
    bodies = [task.result() for task in answering if not task.cancelled()]
    answered = [body for body in bodies if body is not None]
    return b"[" + b",".join(answered) + b"]" if answered else None


async def _answer(value: Json, treat: Treat, note: Note) -> bytes | None:
    message: Message | None = None
    try:
        message = read_message(value)
        if message.method == "initialize":
            reason = "`initialize` must not be part of a batch."
            raise Malformed(INVALID_REQUEST, reason, message_id=message.id)
        return await treat(message)
    except Malformed as malformed:
        await note(malformed.reason)
        return malformed_answer(malformed, Era.LEGACY).body
    except Refused as refused:
        return unidentified_answer(refused, message.id if message else None).body
