"""Asks one interceptor about one view, and nothing around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from callgate.interceptors.python_hook import PythonHook
from callgate.scrutiny import Asked, Decision, Interceptor, Listed, Message, Request, Result, View


def decide(interceptor: Interceptor | Callable[..., Any], view: View) -> Decision | None:
    """What an interceptor, or a function as the kind `python` takes it, decides about a view.

    Raises what it raises, and TypeError where it returns anything but a Decision or None. In a
    coroutine, `await ask(…)` instead. Whether the call path would accept the decision is what
    `governed` tells.
    """
    return asyncio.run(ask(interceptor, view))


async def ask(interceptor: Interceptor | Callable[..., Any], view: View) -> Decision | None:
    """The same, in a coroutine."""
    if isinstance(interceptor, type) or not hasattr(interceptor, "on_request"):
        if not callable(interceptor):
            raise TypeError(f"{interceptor!r} is neither an interceptor nor a function")
        hook = PythonHook(interceptor)
        try:
            return await ask(hook, view)
        finally:
            await hook.close()
    decision: object = await _asked(interceptor, view)
    if decision is not None and not isinstance(decision, Decision):
        raise TypeError(f"returned {type(decision).__name__}; return a Decision or None")
    return decision


def _asked(interceptor: Any, view: View) -> Asked:
    points: dict[type[View], str] = {
        Request: "on_request",
        Result: "on_result",
        Message: "on_message",
        Listed: "on_list",
    }
    asked: Asked = getattr(interceptor, points[type(view)])(view)
    return asked
