"""Views of calls, and interceptors of a configuration at their places, in one line of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from callgate.interceptors.kinds import KINDS, Place
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Tool
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.breaker import Breaker, Gate
from callgate.pipeline.gateway import Gateway
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Listed, Message, Request, Result
from fakes.calls import a_principal, a_tool
from fakes.clock import FakeClock
from fakes.store import FakeCallStore

ARGUMENTS = {"customer": "c", "amount": 5}


def a_request(tool: Tool | None = None, **more: Any) -> Request:
    settings: dict[str, Any] = {"arguments": dict(ARGUMENTS), **more}
    return Request(call_id="c1", principal=a_principal(), tool=tool or a_tool(), **settings)


def a_result(result: dict[str, Any], tool: Tool | None = None, **more: Any) -> Result:
    settings: dict[str, Any] = {"arguments": dict(ARGUMENTS), "result": result, **more}
    return Result(call_id="c1", principal=a_principal(), tool=tool or a_tool(), **settings)


def a_message(**more: Any) -> Message:
    settings: dict[str, Any] = {"method": "notifications/progress", "params": {}, **more}
    return Message(call_id="c1", principal=a_principal(), tool=a_tool(), **settings)


def a_list(*items: dict[str, Any], target: str = "", method: str = "tools/list") -> Listed:
    """What `target`'s own route shows; or what all show together."""
    return Listed(
        call_id="c1",
        principal=a_principal(),
        tool=method_tool(target, method),
        items=list(items),
        targets=tuple(target or "shop" for _ in items),
    )


def attached(directory: Path, /, **settings: Any) -> Attachment:
    """An interceptor as the composition root attaches it; `clock` is no setting."""
    clock = settings.pop("clock", None) or FakeClock()
    made = InterceptorSettings.model_validate({"name": "it", "timeout_seconds": 30, **settings})
    place = Place(
        name=made.name,
        directory=directory,
        clock=clock,
        points=frozenset(made.on),
        timeout_seconds=made.timeout_seconds,
    )
    breaker = Breaker(failures=made.breaker_failures, seconds=made.breaker_seconds)
    return Attachment(
        name=made.name,
        interceptor=KINDS[made.kind](made.of_kind, place),
        phases=frozenset(made.on),
        timeout_seconds=made.timeout_seconds,
        may_fail=made.on_failure == "allow",
        is_observing=made.mode == "observe",
        headers=made.headers,
        facts=made.enriches,
        gate=Gate(most=made.max_concurrent, breaker=breaker),
    )


def recorded(gateway: Gateway) -> list[dict[str, Any]]:
    """What the interceptors did, as the last entry of the record has it."""
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    return list(msgspec.json.decode(store.entries[-1].body).get("changes", []))
