"""A Python function as an interceptor: `python: module:function`, sync or async."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from callgate.interceptors.beside import as_they_are_now, files_of
from callgate.interceptors.faults import InterceptorError
from callgate.pipeline.threads import Job, Threads
from callgate.scrutiny import Asked, Decision, Listed, Message, Passive, Request, Result, View

MAX_THREADS = 16  # of one interceptor; those that never return count


class HookError(InterceptorError):
    """The function cannot be used; the message names it and the fix."""


class PythonHook(Passive):
    """Calls the function with a view of the call and expects a Decision or None.

    An async function runs on the event loop and must not block it; a plain function runs in a
    thread of this interceptor's own, so that a slow one holds up nobody and its timeout works.
    """

    is_gentle = False

    def __init__(self, function: Callable[..., Any], name: str = "hook") -> None:
        call = getattr(function, "__call__", None)  # noqa: B004 - an object may be called, too
        is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
        self._ask: Callable[[View], Asked] = function if is_async else self._in_thread
        self._function = function
        self._threads = Threads(MAX_THREADS, f"callgate-{name}")

    def on_request(self, request: Request) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(request)

    def on_result(self, result: Result) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(result)

    def on_message(self, message: Message) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(message)

    def on_list(self, listed: Listed) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(listed)

    async def _in_thread(self, view: View) -> Decision | None:
        answer = await self._threads.run(Job(lambda: self._function(view)))
        if inspect.iscoroutine(answer):
            answer.close()
            raise TypeError("the function returned a coroutine; declare it with `async def`")
        return answer  # type: ignore[no-any-return] # checked by who asked

    async def close(self) -> None:
        """Lets threads end. Those that are busy end after their work."""
        self._threads.close()


def load_hook(reference: str, directory: Path) -> PythonHook:
    """The function behind `module:function`. Raises HookError.

    A module in `directory` is loaded anew where it, or what it imports from there, has changed
    since it was; where that fails, what is loaded stays as it is.
    """
    module_name, _, function_name = reference.partition(":")
    place = str(directory.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)  # also for what is imported later
    try:
        importlib.invalidate_caches()
        with as_they_are_now(files_of(module_name, Path(place))):
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        problem = f"{reference}: the module cannot be loaded: {type(error).__name__}: {error}"
        raise HookError(problem) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise HookError(f"{reference}: {module_name} has no function {function_name}")
    try:
        inspect.signature(function).bind(object())
    except (TypeError, ValueError):
        raise HookError(f"{reference}: the function must take one argument") from None
    return PythonHook(function, function_name)
