"""The era is found by what is answered, and what was kept is restored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callgate.model import Era, Features, Reply
from callgate.protocol.outbound import WireError
from callgate.upstream import opening
from callgate.upstream.faults import Lost
from callgate.upstream.opening import DiedOfQuestion, Opening
from callgate.upstream.subscribing import Subscriptions
from fakes.duplex import EVERYTHING, FakeDuplex, a_target_request
from fakes.store import until
from fakes.target import FakeCaller

MODERN = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {"listChanged": True}}}
LEGACY = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}


async def opened(pipe: FakeDuplex, hint: Era | None) -> Features:
    return await Opening(pipe, Subscriptions(pipe.audience)).run(hint)


def run(scenario: Callable[[FakeDuplex], Awaitable[None]]) -> None:
    async def whole() -> None:
        pipe = FakeDuplex(None, EVERYTHING)
        async with asyncio.timeout(30):
            await scenario(pipe)
        await pipe.close()

    asyncio.run(whole())


def answering(pipe: FakeDuplex, answers: dict[str, Any], order: list[str] | None = None) -> None:
    """Answers the openings as told: a result, an error code, or not until all are asked."""
    waiting: dict[str, dict[str, Any]] = {}

    def on_write(message: dict[str, Any]) -> None:
        method = message.get("method", "")
        if method not in answers:
            return
        waiting[method] = message
        if order is not None and set(waiting) != set(order):
            return
        for name in order or [method]:
            answer = answers[name]
            part = {"error": {"code": answer, "message": "no"}} if isinstance(answer, int) else {
                "result": answer}  # fmt: skip
            pipe.comes({"id": waiting[name]["id"], **part})

    pipe.on_write = on_write


@pytest.mark.parametrize(
    ("answers", "hint", "era", "asked"),
    [
        ({"server/discover": MODERN}, None, Era.MODERN, ["server/discover", "subscriptions/listen"]),
        ({"server/discover": MODERN}, Era.MODERN, Era.MODERN, None),
        ({"server/discover": -32601, "initialize": LEGACY}, None, Era.LEGACY, None),
        ({"server/discover": {}, "initialize": LEGACY}, None, Era.LEGACY, None),
        ({"initialize": LEGACY}, Era.LEGACY, Era.LEGACY, ["initialize", "notifications/initialized"]),
    ],
)  # fmt: skip
def test_the_opening_finds_the_era(
    answers: dict[str, Any], hint: Era | None, era: Era, asked: list[str] | None
) -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        answering(pipe, answers)
        features = await opened(pipe, hint)
        await asyncio.sleep(0)
        assert features is pipe.features
        assert features.era is era
        if asked is not None:
            assert [message.get("method") for message in pipe.written] == asked

    run(scenario)


@pytest.mark.parametrize(
    ("answers", "order", "era"),
    [
        ((MODERN, -32022), ["server/discover", "initialize"], Era.MODERN),
        ((MODERN, -32022), ["initialize", "server/discover"], Era.MODERN),
        ((-32601, LEGACY), ["server/discover", "initialize"], Era.LEGACY),
        ((-32601, LEGACY), ["initialize", "server/discover"], Era.LEGACY),
    ],
)
def test_whichever_opening_a_slow_child_answers_counts(
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[Any, Any],
    order: list[str],
    era: Era,
) -> None:
    monkeypatch.setattr(opening, "DISCOVER_SECONDS", 0.01)

    async def scenario(pipe: FakeDuplex) -> None:
        answering(pipe, {"server/discover": answers[0], "initialize": answers[1]}, order)
        assert (await opened(pipe, None)).era is era

    run(scenario)


def test_a_child_that_answers_neither_opening_is_refused() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        answering(pipe, {"server/discover": -32601, "initialize": -32601})
        with pytest.raises(WireError, match="-32601"):
            await opened(pipe, None)

    run(scenario)


def test_a_child_that_dies_of_the_modern_question_is_recognised() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        def die(_message: dict[str, Any]) -> None:
            pipe.die("it exited with status 1")

        pipe.on_write = die
        with pytest.raises(DiedOfQuestion):
            await opened(pipe, None)

    run(scenario)


def test_a_slow_child_that_dies_of_the_modern_question_is_recognised_by_what_is_said_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "DISCOVER_SECONDS", 0.01)

    async def scenario(pipe: FakeDuplex) -> None:
        def has_died(message: dict[str, Any]) -> None:
            if message["method"] == "initialize":  # its end is not noticed yet
                raise Lost("it closed its input")

        pipe.on_write = has_died
        with pytest.raises(DiedOfQuestion):
            await opened(pipe, None)

    run(scenario)


def test_a_child_that_dies_of_the_handshake_did_not_die_of_the_modern_question() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        answering(pipe, {"server/discover": -32601})
        refuse = pipe.on_write

        def die(message: dict[str, Any]) -> None:
            refuse(message)
            if message["method"] == "initialize":
                pipe.die("it exited with status 1")

        pipe.on_write = die
        with pytest.raises(Lost) as raised:
            await opened(pipe, None)
        assert not isinstance(raised.value, DiedOfQuestion)

    run(scenario)


def test_the_handshake_declares_exactly_what_is_offered() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        answering(pipe, {"initialize": LEGACY})
        assert await opened(pipe, Era.LEGACY) is pipe.features
        [greeting] = pipe.said("initialize")
        assert greeting["params"]["capabilities"] == EVERYTHING.capabilities

    run(scenario)


def test_a_target_that_asks_as_soon_as_it_is_open_is_heard() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        answering(pipe, {"initialize": LEGACY})
        greet = pipe.on_write

        def on_write(message: dict[str, Any]) -> None:
            greet(message)
            if message.get("method") == "notifications/initialized":
                pipe.comes({"id": "r", "method": "roots/list"})

        pipe.on_write = on_write
        pipe.audience.attach(a_target_request(beyond=FakeCaller(answers=[Reply(body=b"{}")])))
        await opened(pipe, Era.LEGACY)
        await until(lambda: bool(pipe.answered("r")))
        assert pipe.answered("r")[0]["result"] == {}

    run(scenario)
