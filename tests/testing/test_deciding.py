"""One interceptor, asked by itself."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callgate.interceptors import Decision, Listed, Message, Passive, Request, Result
from callgate.testing import a_list, a_message, a_request, a_result, ask, decide

TOO_MUCH = Decision(refuse="Too much.")


def plain(request: Request) -> Decision | None:
    return TOO_MUCH if request.arguments["amount"] > 100 else None


async def coroutine(request: Request) -> Decision | None:
    await asyncio.sleep(0)
    return plain(request)


class Callable:
    async def __call__(self, request: Request) -> Decision | None:
        return plain(request)


@pytest.mark.parametrize("function", [plain, coroutine, Callable()])
def test_functions_of_every_sort_are_asked(function: Any) -> None:
    assert decide(function, a_request({"amount": 101})) == TOO_MUCH
    assert decide(function, a_request({"amount": 100})) is None


class Everywhere(Passive):
    async def on_request(self, request: Request) -> Decision:
        return Decision(note="request")

    async def on_result(self, result: Result) -> Decision:
        return Decision(note="result")

    async def on_message(self, message: Message) -> Decision:
        return Decision(note="message")

    async def on_list(self, listed: Listed) -> Decision:
        return Decision(note="list")


@pytest.mark.parametrize(
    ("view", "point"),
    [
        (a_request(), "request"),
        (a_result(), "result"),
        (a_message(), "message"),
        (a_list(), "list"),
    ],
)
def test_an_interceptor_is_asked_at_the_point_of_the_view(view: Any, point: str) -> None:
    assert decide(Everywhere(), view) == Decision(note=point)
    assert decide(lambda view: Decision(note=type(view).__name__), view) is not None


def test_in_a_coroutine_it_is_awaited() -> None:
    async def scene() -> Decision | None:
        return await ask(plain, a_request({"amount": 101}))

    assert asyncio.run(scene()) == TOO_MUCH


def test_what_it_raises_comes_through_and_junk_is_named() -> None:
    with pytest.raises(KeyError, match="amount"):
        decide(plain, a_request())
    with pytest.raises(TypeError, match="returned str; return a Decision or None"):
        decide(lambda _: "refuse", a_request())
    with pytest.raises(TypeError, match="neither an interceptor nor a function"):
        decide(Path(), a_request())  # type: ignore[arg-type]
