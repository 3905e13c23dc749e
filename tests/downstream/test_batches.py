"""A batch is so many messages at once, each treated as if it had come alone."""

import asyncio
from typing import Any

import msgspec
import pytest

from callgate.downstream.batches import MOST_MESSAGES, answer_batch
from callgate.model import Refused
from callgate.protocol.jsonrpc import Malformed, Message, response


def request(message_id: Any, method: str = "ping") -> Any:
    return {"jsonrpc": "2.0", "id": message_id, "method": method}


NOTE = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def echo(message: Message) -> bytes | None:
    if message.id is None:
        return None
    if message.method == "slow":
        for _ in range(5):
            await asyncio.sleep(0)
    if message.method == "malformed":
        raise Malformed(-32602, "no", message_id=message.id)
    if message.method == "unknown":
        raise Refused("unauthenticated", "The token is not known.")
    if message.method == "cancelled":
        raise asyncio.CancelledError
    return response(message.id, {"method": message.method})


def answers(*values: Any) -> Any:
    body = asyncio.run(answer_batch(list(values), echo))
    return None if body is None else msgspec.json.decode(body)


def test_responses_come_in_the_order_of_the_requests() -> None:
    found = answers(request(1, "slow"), NOTE, request("b"))

    assert [one["id"] for one in found] == [1, "b"]


def test_notifications_alone_need_no_response() -> None:
    assert answers(NOTE, NOTE) is None


def test_what_is_wrong_with_one_message_is_its_own_matter() -> None:
    found = answers(
        5, request(1, "malformed"), request(2), request(3, "initialize"), request(4, "unknown")
    )

    assert [(one["id"], one.get("error", {}).get("code")) for one in found] == [
        (None, -32600),
        (1, -32602),
        (2, None),
        (3, -32600),
        (4, found[-1]["error"]["code"]),
    ]
    assert "error" in found[-1]


def test_a_request_that_was_cancelled_has_no_response() -> None:
    assert [one["id"] for one in answers(request(1, "cancelled"), request(2))] == [2]


@pytest.mark.parametrize("count", [0, MOST_MESSAGES + 1])
def test_a_batch_of_nothing_or_of_too_much_is_refused(count: int) -> None:
    with pytest.raises(Malformed):
        answers(*(request(number) for number in range(count)))
