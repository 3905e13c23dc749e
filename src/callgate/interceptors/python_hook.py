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
from callgate.scrutiny import Decision, Listed, Message, Passive, Request, Result, View


class HookError(InterceptorError):
    """The function cannot be used; the message names it and the fix."""


class PythonHook(Passive):
    """Calls the function with a view of the call and expects a Decision or None.

    An async function runs on the event loop and must not block it; a plain function runs in a
    thread, so that a slow one holds up nobody and its timeout works.
    """

    is_gentle = False

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function)

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor."""
        return await self._ask(request)

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor."""
        return await self._ask(result)

    async def on_message(self, message: Message) -> Decision | None:
        """See scrutiny.Interceptor."""
        return await self._ask(message)

    async def on_list(self, listed: Listed) -> Decision | None:
        """See scrutiny.Interceptor."""
        return await self._ask(listed)

    async def _ask(self, view: View) -> Decision | None:
        if self._is_async:
            decision = await self._function(view)
        else:
            decision = await asyncio.to_thread(self._function, view)
        return decision  # type: ignore[no-any-return] # who asked looks what it is


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
