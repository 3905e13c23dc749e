"""A user's function as an interceptor: found, checked when loaded, and kept off the event loop."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from callgate.interceptors.python_hook import HookError, PythonHook, load_hook
from callgate.scrutiny import Decision, Request
from fakes.calls import a_principal, a_tool


def a_request() -> Request:
    return Request(
        call_id="c",
        principal=a_principal(),
        tool=a_tool(),
        arguments={"amount": 9},
        enriched={},
        meta={},
    )


def ask(hook: PythonHook) -> Any:
    return asyncio.run(hook.on_request(a_request()))


def test_a_plain_function_runs_in_a_thread_and_an_async_one_on_the_loop() -> None:
    places: list[bool] = []

    def plain(request: Request) -> Decision:
        places.append(threading.current_thread() is threading.main_thread())
        return Decision(arguments={**request.arguments, "amount": 1})

    async def coroutine(_: Request) -> None:
        places.append(threading.current_thread() is threading.main_thread())

    assert ask(PythonHook(plain)).arguments == {"amount": 1}
    assert ask(PythonHook(coroutine)) is None
    assert places == [False, True]
    assert not PythonHook(plain).may_skip(b"{}")


def test_a_module_beside_the_configuration_is_found_and_loaded_anew(tmp_path: Path) -> None:
    module = tmp_path / "hooks_loaded_anew.py"
    text = "from callgate import Decision\ndef h(request):\n    return Decision(note='{}')\n"

    module.write_text(text.format("one"))
    first = ask(load_hook("hooks_loaded_anew:h", tmp_path))
    module.write_text(text.format("another"))
    second = ask(load_hook("hooks_loaded_anew:h", tmp_path))

    assert (first.note, second.note) == ("one", "another")


@pytest.mark.parametrize(
    ("text", "reference", "words"),
    [
        ("", "hooks_wrong_{}:missing", "has no function missing"),
        ("def h(): ...", "hooks_wrong_{}:h", "must take one argument"),
        ("h = 5", "hooks_wrong_{}:h", "has no function h"),
        ("raise ValueError('x')", "hooks_wrong_{}:h", "cannot be loaded: ValueError: x"),
        ("def (", "hooks_wrong_{}:h", "cannot be loaded: SyntaxError"),
        ("", "hooks_not_there_{}:h", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_used_is_named_when_it_is_loaded(
    tmp_path: Path, text: str, reference: str, words: str
) -> None:
    number = abs(hash(text + reference))
    (tmp_path / f"hooks_wrong_{number}.py").write_text(text)

    with pytest.raises(HookError, match=words):
        load_hook(reference.format(number), tmp_path)
