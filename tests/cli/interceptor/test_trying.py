"""An interceptor is asked at each point as the gateway asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.app.chains import build_attachment
from callgate.app.clock import SystemClock
from callgate.cli.interceptor.material import Material, Message
from callgate.cli.interceptor.trying import DROPPED, Tried, by_name, looks_at, tried_at
from callgate.cli.policy.grounds import CannotSay
from callgate.interceptors import Decision
from callgate.interceptors.python_hook import PythonHook
from callgate.model import Json, Reply
from callgate.pipeline.attaching import Attachment
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Interceptor, Passive
from callgate.testing import attach
from callgate.testing.governing import bare_config
from fakes.calls import a_call, a_principal, a_tool

CALL = a_call(principal=a_principal(), tool=a_tool(), arguments={"amount": 1})
ITEMS: list[tuple[str, dict[str, Json]]] = [
    ("shop", {"name": "shop___get"}),
    ("shop", {"name": "shop___put"}),
]


def attached(interceptor: Any, point: str) -> Attachment:
    hooked = attach(interceptor, point, name="it")
    config = bare_config(Path.cwd())
    return build_attachment(hooked.settings, config, SystemClock(), hooked.interceptor)


def tried(point: str, function: Callable[[Any], Decision | None], **more: Any) -> Tried:
    material = Material(call=more.pop("call", CALL), **more)
    return asyncio.run(tried_at(point, material, attached(function, point)))


def test_requests_and_results_change() -> None:
    request = tried(
        "request", lambda seen: Decision(arguments={"amount": seen.arguments["amount"] + 1})
    )
    answered = a_call(principal=a_principal(), tool=a_tool(), reply=Reply(body=b'{"content":[]}'))
    result = tried("result", lambda _: Decision(result={"content": [1]}), call=answered)

    assert (request.before, request.after) == ({"amount": 1}, {"amount": 2})
    assert (result.before, result.after) == ({"content": []}, {"content": [1]})


def test_messages_change_or_are_dropped() -> None:
    message = Message(method="notifications/progress", params={"progress": 1})
    changed = tried(
        "message", lambda seen: Decision(params={"method": seen.method}), message=message
    )
    dropped = tried("message", lambda _: Decision(withhold="No."), message=message)

    assert (changed.after, changed.code) == ({"method": "notifications/progress"}, None)
    assert (dropped.after, dropped.code) == ({"progress": 1}, DROPPED)


def test_lists_lose_items_or_are_withheld() -> None:
    call = a_call(principal=a_principal(), tool=method_tool("", "tools/list"), method="tools/list")
    fewer = tried("list", lambda seen: Decision(items=seen.items[1:]), items=ITEMS, call=call)
    none = tried("list", lambda _: Decision(withhold="No."), items=ITEMS, call=call)

    assert fewer.before == by_name(ITEMS)
    assert fewer.after == {"shop___put": {"name": "shop___put"}}
    assert (none.code, none.reason) == ("result_withheld", "No.")
    with pytest.raises(CannotSay, match="twice"):
        tried("list", lambda _: None, items=[ITEMS[0], ITEMS[0]], call=call)


@pytest.mark.parametrize("point", ["request", "result", "message", "list"])
def test_a_kind_looks_at_what_it_has_a_method_for(point: str) -> None:
    nothing: Interceptor = Passive()

    assert looks_at(point, attached(PythonHook(lambda _: None), point))
    assert not looks_at(point, attached(nothing, point))
