"""Handlers run here as in Lambda: one event at a time in each copy, and none holds up the loop."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from callgate.interceptors import lambda_local
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.lambda_context import Invocation
from callgate.interceptors.lambda_local import FunctionError, LocalFunction

ECHO = "def lambda_handler(event, context):\n    return {'got': event}\n"


def a_function(
    directory: Path, text: str, reference: str = "guard.py:lambda_handler", copies: int = 4
) -> LocalFunction:
    (directory / "guard.py").write_text(text)
    return LocalFunction(reference, directory, copies)


def an_event(value: Any = 1) -> Invocation:
    return Invocation(event=json.dumps(value).encode(), custom={}, request_id="r")


def run(function: LocalFunction, scenario: Coroutine[Any, Any, Any]) -> Any:
    async def whole() -> Any:
        try:
            async with asyncio.timeout(30):
                return await scenario
        finally:
            await function.close()

    return asyncio.run(whole())


def test_a_handler_gets_the_event_and_its_answer_is_json(tmp_path: Path) -> None:
    function = a_function(tmp_path, ECHO)

    assert json.loads(run(function, function.invoke(an_event({"ä": [1.5, None]})))) == {
        "got": {"ä": [1.5, None]}
    }


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("raise ValueError('broken')", ValueError, "broken"),
        ("import sys; sys.exit(3)", FunctionError, "SystemExit"),
        ("return object()", FunctionError, "not JSON"),
        ("return {1j: 2}", FunctionError, "not JSON"),
        ("a = []; a.append(a); return a", FunctionError, "not JSON"),
    ],
)
def test_whatever_goes_wrong_in_a_handler_ends_its_own_call(
    tmp_path: Path, body: str, error: type[Exception], words: str
) -> None:
    text = (
        f"def lambda_handler(event, context):\n    if event == 1:\n        {body}\n    return 2\n"
    )
    function = a_function(tmp_path, text, copies=1)

    async def scenario() -> bytes:
        with pytest.raises(error, match=words):
            await function.invoke(an_event())
        return await function.invoke(an_event(0))

    assert run(function, scenario()) == b"2"


def test_each_copy_has_its_own_globals_and_one_event_at_a_time(tmp_path: Path) -> None:
    text = (
        "import threading\n"
        "barrier = None\n"
        "inside = 0\n"
        "def lambda_handler(event, context):\n"
        "    global inside\n"
        "    inside += 1\n"
        "    context.client_context.custom\n"
        "    import callgate_test_meeting as meeting\n"
        "    meeting.point.wait(60)\n"
        "    found, inside = inside, inside - 1\n"
        "    return found\n"
    )
    meeting: Any = type(sys)("callgate_test_meeting")
    meeting.point = threading.Barrier(3)  # only three at once get through
    sys.modules["callgate_test_meeting"] = meeting
    function = a_function(tmp_path, text, copies=3)

    async def scenario() -> list[bytes]:
        return await asyncio.gather(*(function.invoke(an_event()) for _ in range(6)))

    try:
        assert run(function, scenario()) == [b"1"] * 6
    finally:
        del sys.modules["callgate_test_meeting"]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that a handler waits in until a test opens it."""
    module: Any = type(sys)("callgate_test_held")
    module.opened = threading.Event()
    module.entered = threading.Semaphore(0)
    monkeypatch.setitem(sys.modules, "callgate_test_held", module)
    yield module
    module.opened.set()


HELD = (
    "import callgate_test_held as held\n"
    "def lambda_handler(event, context):\n"
    "    if event == 'hang':\n"
    "        held.entered.release()\n"
    "        held.opened.wait()\n"
    "    return event\n"
)


async def hang(function: LocalFunction, held: Any) -> None:
    """One call that is given up while its handler is running."""
    calling = asyncio.ensure_future(function.invoke(an_event("hang")))
    await asyncio.to_thread(held.entered.acquire)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


def test_a_handler_that_hangs_is_replaced_and_the_thread_ends_later(
    tmp_path: Path, held: Any
) -> None:
    function = a_function(tmp_path, HELD, copies=1)

    async def scenario() -> bytes:
        for _ in range(3):
            await hang(function, held)
        return await function.invoke(an_event("next"))

    assert run(function, scenario()) == b'"next"'


def test_no_more_threads_hang_than_that(
    tmp_path: Path, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambda_local, "MAX_STUCK", 1)
    function = a_function(tmp_path, HELD, copies=1)

    async def scenario() -> bytes:
        await hang(function, held)
        await hang(function, held)
        waiting = asyncio.ensure_future(function.invoke(an_event("next")))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.05)
        held.opened.set()
        return await waiting

    assert run(function, scenario()) == b'"next"'


def test_who_gives_up_waiting_for_a_copy_leaves_it_to_the_next(tmp_path: Path, held: Any) -> None:
    function = a_function(tmp_path, HELD, copies=1)

    async def scenario() -> bytes:
        first = asyncio.ensure_future(function.invoke(an_event("hang")))
        await asyncio.to_thread(held.entered.acquire)
        second = asyncio.ensure_future(function.invoke(an_event("second")))
        third = asyncio.ensure_future(function.invoke(an_event("third")))
        await asyncio.sleep(0)
        second.cancel()
        held.opened.set()
        await first
        return await third

    assert run(function, scenario()) == b'"third"'


def test_a_closed_function_answers_nothing_and_leaves_no_module(tmp_path: Path) -> None:
    others = set(threading.enumerate())  # some of which tests before have left hanging
    function = a_function(tmp_path, ECHO)

    async def scenario() -> None:
        await function.invoke(an_event())
        await function.close()
        with pytest.raises(FunctionError, match="was closed"):
            await function.invoke(an_event())

    run(function, scenario())
    for thread in set(threading.enumerate()) - others:
        if thread.name == "callgate-lambda":
            thread.join(60)
    places = {getattr(module, "__file__", None) for module in tuple(sys.modules.values())}
    assert str(tmp_path / "guard.py") not in places


def test_a_handler_may_import_what_stands_beside_it_and_hold_dataclasses(tmp_path: Path) -> None:
    (tmp_path / "beside_the_handler.py").write_text("WORD = 'beside'\n")
    text = (
        "from __future__ import annotations\n"
        "from dataclasses import asdict, dataclass\n"
        "from typing import ClassVar\n"
        "import beside_the_handler\n"
        "@dataclass\n"
        "class Found:\n"
        "    word: str\n"
        "    kind: ClassVar[str] = 'x'\n"
        "def lambda_handler(event, context):\n"
        "    return asdict(Found(beside_the_handler.WORD))\n"
    )
    function = a_function(tmp_path, text)

    assert run(function, function.invoke(an_event())) == b'{"word": "beside"}'


@pytest.mark.parametrize(
    ("text", "reference", "words"),
    [
        ("", "gone.py:lambda_handler", "does not exist; create it"),
        ("", "guard.py:lambda_handler", "guard.py has no function lambda_handler"),
        ("lambda_handler = 5", "guard.py:lambda_handler", "has no function"),
        ("def lambda_handler(event): ...", "guard.py:lambda_handler", "two arguments"),
        ("async def lambda_handler(e, c): ...", "guard.py:lambda_handler", "async"),
        ("def (", "guard.py:lambda_handler", "cannot be loaded: SyntaxError"),
        ("raise KeyError('X')", "guard.py:lambda_handler", "cannot be loaded: KeyError: 'X'"),
    ],
)
def test_what_cannot_be_used_is_named_when_it_is_made(
    tmp_path: Path, text: str, reference: str, words: str
) -> None:
    with pytest.raises(InterceptorError, match=words):
        a_function(tmp_path, text, reference)
