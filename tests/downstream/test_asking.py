"""A client is asked once, its answer counts once, and nobody waits for ever."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from callgate.downstream import asking
from callgate.downstream.asking import Asks
from callgate.model import Reply
from callgate.ports import Unanswerable
from callgate.protocol.jsonrpc import Message, read_message


@dataclass
class Line:
    """Remembers what was sent to the client."""

    sent: list[Any] = field(default_factory=list)
    said: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, body: bytes) -> None:
        self.mention(body)
        self.said.set()

    def mention(self, body: bytes) -> None:
        self.sent.append(msgspec.json.decode(body))


def answered(message_id: Any = "cg-1", **parts: Any) -> Message:
    return read_message({"jsonrpc": "2.0", "id": message_id, **parts})


async def outcome_of(ask: "asyncio.Task[Reply]") -> Reply | str:
    await asyncio.wait({ask}, timeout=5)
    if ask.cancelled():
        return "cancelled"
    error = ask.exception()
    return ask.result() if error is None else str(error)


def ask_once(meanwhile: Callable[[Asks, "asyncio.Task[Reply]"], Any]) -> tuple[Any, list[Any]]:
    """What comes of one ask, and what the client was sent."""

    async def run() -> tuple[Any, list[Any]]:
        asks, line = Asks(), Line()
        loop = asyncio.get_running_loop()
        ask = loop.create_task(asks.ask(line, "roots/list", {"a": 1}))
        await line.said.wait()
        meanwhile(asks, ask)
        outcome = await outcome_of(ask)
        assert len(asks) == 0
        return outcome, line.sent

    return asyncio.run(run())


REQUEST = {"jsonrpc": "2.0", "id": "cg-1", "method": "roots/list", "params": {"a": 1}}
ERROR = {"code": -1, "message": "The user declined."}


def test_a_result_goes_back_as_it_came() -> None:
    outcome, sent = ask_once(lambda asks, _: asks.answer(answered(result={"roots": [], "x": None})))

    assert outcome == Reply(body=b'{"roots":[],"x":null}')
    assert sent == [REQUEST]


def test_an_error_goes_back_as_an_error() -> None:
    outcome, _ = ask_once(lambda asks, _: asks.answer(answered(error=ERROR)))

    assert outcome == Reply(body=msgspec.json.encode(ERROR), is_error=True)


@pytest.mark.parametrize(
    "garbage",
    [
        {"result": 5},
        {"result": None},
        {"result": []},
        {"error": "no"},
        {"error": {}},
        {"error": {"code": "x", "message": "y"}},
        {"error": {"code": 1, "message": None}},
        {"error": {"code": True, "message": "y"}},
    ],
)
def test_garbage_is_no_answer_and_is_not_waited_for_again(garbage: dict[str, Any]) -> None:
    outcome, sent = ask_once(lambda asks, _: asks.answer(answered(**garbage)))

    assert outcome == "The client's answer is neither a result nor an error."
    assert sent == [REQUEST]


def test_only_the_first_of_two_answers_counts() -> None:
    def twice(asks: Asks, _: Any) -> None:
        asks.answer(answered(result={"n": 1}))
        asks.answer(answered(result={"n": 2}))

    assert ask_once(twice)[0] == Reply(body=b'{"n":1}')


@pytest.mark.parametrize("other", ["cg-2", "cg-0", 1, "x"])
def test_an_answer_to_what_was_not_asked_is_ignored(other: Any) -> None:
    def stray(asks: Asks, _: Any) -> None:
        asks.answer(answered(other, result={"stray": 1}))
        asks.answer(answered(result={}))

    assert ask_once(stray)[0] == Reply(body=b"{}")


def test_an_ask_that_is_withdrawn_is_withdrawn_at_the_client_too() -> None:
    outcome, sent = ask_once(lambda _, ask: ask.cancel())

    assert outcome == "cancelled"
    assert [one["method"] for one in sent] == ["roots/list", "notifications/cancelled"]
    assert sent[1]["params"]["requestId"] == "cg-1"


def test_an_answer_after_the_ask_was_withdrawn_is_ignored() -> None:
    async def run() -> int:
        asks, line = Asks(), Line()
        ask = asyncio.get_running_loop().create_task(asks.ask(line, "roots/list", {}))
        await line.said.wait()
        ask.cancel()
        await asyncio.wait({ask})
        asks.answer(answered(result={}))
        return len(asks)

    assert asyncio.run(run()) == 0


def test_the_end_of_the_session_ends_the_waiting() -> None:
    outcome, sent = ask_once(lambda asks, _: asks.close())

    assert outcome == "The client's session has ended."
    assert sent == [REQUEST]


def test_nobody_is_asked_in_a_session_that_has_ended() -> None:
    async def run() -> list[Any]:
        asks, line = Asks(), Line()
        asks.close()
        with pytest.raises(Unanswerable, match="has ended"):
            await asks.ask(line, "roots/list", {})
        return line.sent

    assert asyncio.run(run()) == []


def test_a_client_that_does_not_answer_is_waited_for_within_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.001)

    outcome, sent = ask_once(lambda *_: None)

    assert "did not answer in 0.001 seconds" in outcome
    assert sent[-1]["method"] == "notifications/cancelled"


def test_so_many_asks_wait_at_once_and_no_more() -> None:
    async def run() -> None:
        asks, line = Asks(), Line()
        loop = asyncio.get_running_loop()
        waiting = [
            loop.create_task(asks.ask(line, "roots/list", {})) for _ in range(asking.MOST_ASKS)
        ]
        await line.said.wait()
        await asyncio.sleep(0)
        with pytest.raises(Unanswerable, match="wait for an answer already"):
            await asks.ask(line, "roots/list", {})
        assert len({one["id"] for one in line.sent}) == asking.MOST_ASKS
        asks.close()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(run())


def test_where_nothing_can_be_said_nothing_is_waited_for() -> None:
    class Deaf(Line):
        async def say(self, body: bytes) -> None:
            raise Unanswerable("No stream.")

    async def run() -> tuple[int, list[Any]]:
        asks, line = Asks(), Deaf()
        with pytest.raises(Unanswerable, match="No stream"):
            await asks.ask(line, "roots/list", {})
        return len(asks), line.sent

    assert asyncio.run(run()) == (0, [])
