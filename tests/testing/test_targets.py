"""A target in memory answers as a real one does, and remembers what it was asked."""

import asyncio
from typing import Any

import msgspec
import pytest

from callgate.model import Reply
from callgate.ports import TargetRequest
from callgate.protocol.jsonrpc import encode
from callgate.testing.building import a_tool
from callgate.testing.clocks import StillClock
from callgate.testing.outcomes import Agent
from callgate.testing.targets import Answer, InMemoryTarget
from callgate.upstream.functions import ToolFault


def refund(customer: str, amount: int) -> dict[str, int]:
    if amount > 100:
        raise ToolFault("Too much.")
    return {"refunded": amount}


def asked(answer: Answer, **arguments: Any) -> tuple[InMemoryTarget, Any]:
    async def scene() -> tuple[InMemoryTarget, Reply]:
        target = InMemoryTarget("shop", {"refund": answer}, StillClock())
        request = TargetRequest(
            call_id="c1", tool=a_tool(), params=b"{}", arguments=encode(arguments)
        )
        reply = await target.call(request, Agent())
        await target.close()
        return target, reply

    target, reply = asyncio.run(scene())
    return target, msgspec.json.decode(reply.body)


def test_a_function_is_listed_with_its_types_and_called() -> None:
    target, result = asked(refund, customer="c", amount=5)

    (listed,) = asyncio.run(target.list_tools()).tools
    assert listed["name"] == "refund"
    assert listed["inputSchema"]["properties"]["amount"]["type"] == "integer"
    assert result["structuredContent"] == {"refunded": 5}
    assert target.arguments_of("c1") == {"customer": "c", "amount": 5}
    assert target.arguments_of("c2") is None


def test_a_function_may_fail() -> None:
    _, result = asked(refund, customer="c", amount=500)

    assert result == {"content": [{"type": "text", "text": "Too much."}], "isError": True}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("done", {"content": [{"type": "text", "text": "done"}]}),
        ({"content": [], "isError": True}, {"content": [], "isError": True}),
        (
            {"a": 1},
            {"content": [{"type": "text", "text": '{"a":1}'}], "structuredContent": {"a": 1}},
        ),
    ],
)
def test_a_ready_answer_takes_anything(answer: Answer, result: Any) -> None:
    target, said = asked(answer, whatever=[1])

    assert said == result
    (listed,) = asyncio.run(target.list_tools()).tools
    assert listed == {"name": "refund", "inputSchema": {"type": "object"}}
