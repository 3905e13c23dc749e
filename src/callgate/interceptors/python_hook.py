"""A Python function as an interceptor: `python: module:function`, sync or async."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from callgate.interceptors.faults import InterceptorError
from callgate.scrutiny import Asked, Decision, Listed, Message, Passive, Request, Result, View


class HookError(InterceptorError):
    """The function cannot be used; the message names it and the fix."""


class PythonHook(Passive):
    """Calls the function with a view of the call and expects a Decision or None.

    An async function runs on the event loop and must not block it; a plain function runs in a
    thread, so that a slow one holds up nobody and its timeout works.
    """

    is_gentle = False

    def __init__(self, function: Callable[..., Any]) -> None:
        call = getattr(function, "__call__", None)  # noqa: B004 - an object may be called, too
        is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
        self._ask: Callable[[View], Asked] = function if is_async else self._in_thread
        self._function = function

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
        return await asyncio.to_thread(self._function, view)


def load_hook(reference: str, directory: Path) -> PythonHook:
    """The function behind `module:function`; modules in `directory` are found, and loaded anew.

    Raises HookError.
    """
    module_name, _, function_name = reference.partition(":")
    place = str(directory.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        known = sys.modules.get(module_name)
        is_ours = known is not None and (known.__file__ or "").startswith(place)
        module = importlib.reload(known) if known and is_ours else _imported(module_name)
    except Exception as error:
        problem = f"{reference}: the module cannot be loaded: {type(error).__name__}: {error}"
        raise HookError(problem) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise HookError(f"{reference}: {module_name} has no function {function_name}")
    try:
        inspect.signature(function).bind(object())
    except (TypeError, ValueError):
        raise HookError(f"{reference}: the function must take one argument") from None
    return PythonHook(function)


def _imported(name: str) -> Any:
    importlib.invalidate_caches()
    return importlib.import_module(name)
