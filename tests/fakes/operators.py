"""What the control API sees, made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.control.views import ConfigStatus, Views
from callgate.model import Json
from callgate.ports import CallFilter, StoreError, TargetStatus
from fakes.asgi import Answered, ask
from fakes.gateway import a_gateway
from fakes.policy_desk import FakePolicyDesk

STATUS = ConfigStatus(file="/srv/callgate.yaml", digest="d" * 64, loaded_at=1_790_000_000.0)


@dataclass
class FakeRecords:
    """Implements RecordReader: remembers what it was asked."""

    found: Sequence[dict[str, Json]] = ()
    by_id: dict[str, Sequence[dict[str, Json]]] = field(default_factory=dict)
    fault: str | None = None
    asked: list[CallFilter] = field(default_factory=list)

    def calls(self, chosen: CallFilter) -> Sequence[dict[str, Json]]:
        self.asked.append(chosen)
        if self.fault is not None:
            raise StoreError(self.fault)
        return self.found

    def entries(self, call_id: str) -> Sequence[dict[str, Json]]:
        if self.fault is not None:
            raise StoreError(self.fault)
        return self.by_id.get(call_id, ())


def some_views(**more: Any) -> Views:
    """A gateway in good health with one target that is up."""
    gateway = more.pop("gateway", None) or a_gateway

    async def reload() -> ConfigStatus:
        return STATUS

    async def metrics(_accept: str | None) -> tuple[bytes, str]:
        return b"", "text/plain"

    settings: dict[str, Any] = {
        "gateway": gateway,
        "targets": lambda: (a_status(),),
        "config": lambda: STATUS,
        "reload": reload,
        "records": FakeRecords(),
        "policies": FakePolicyDesk(),
        "principals": lambda: (),
        "count_evaluations": lambda *_: None,
        "metrics": metrics,
        "is_stopping": lambda: False,
        **more,
    }
    return Views(**settings)


def a_status(name: str = "shop", **more: Any) -> TargetStatus:
    settings: dict[str, Any] = {"kind": "mcp_http", "is_ready": True, "tools": 1, **more}
    return TargetStatus(name=name, **settings)


def get(path: str, **more: Any) -> Answered:
    """Asks a control listener on loopback; `more` goes into its views."""
    return ask(ControlEndpoint(some_views(**more), ControlListenerSettings()), path)
