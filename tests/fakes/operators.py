"""What the control API sees, made up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.control.views import ConfigStatus, Views
from callgate.model import Json
from callgate.ports import CallFilter, Page, Positions, StoreError, TargetStatus
from callgate.review.verdicts import ReviewVerdict
from fakes.asgi import Answered, ask
from fakes.erasing_desk import FakeErasingDesk
from fakes.gateway import a_gateway
from fakes.policy_desk import FakePolicyDesk

STATUS = ConfigStatus(file="/srv/callgate.yaml", digest="d" * 64, loaded_at=1_790_000_000.0)


@dataclass
class FakeRecords:
    """Implements RecordReader: remembers what it was asked."""

    found: Sequence[dict[str, Json]] = ()
    by_id: dict[str, list[dict[str, Json]]] = field(default_factory=dict)
    to_come: list[Sequence[dict[str, Json]]] = field(default_factory=list)  # for each `ended`
    fault: str | None = None
    asked: list[CallFilter] = field(default_factory=list)

    def calls(self, chosen: CallFilter) -> Page:
        self.asked.append(chosen)
        self._break()
        return Page(calls=tuple(self.found), next=None)

    def ended(self, chosen: CallFilter) -> Page:
        self.asked.append(chosen)
        self._break()
        if chosen.after is None or not self.to_come:
            return Page(calls=(), next=f"n{len(self.asked)}")
        return Page(calls=tuple(self.to_come.pop(0)), next=f"n{len(self.asked)}")

    def entries(self, call_id: str) -> list[dict[str, Json]]:
        self._break()
        return self.by_id.get(call_id, [])

    def find(self, start: str, limit: int = 10) -> list[str]:
        self._break()
        return [one for one in sorted(self.by_id) if one.startswith(start)][:limit]

    def events(
        self, names: Collection[str], since: float | None = None, until: float | None = None
    ) -> Iterator[dict[str, Json]]:
        self._break()
        for entries in self.by_id.values():
            yield from (one for one in entries if one.get("event") in names)

    def defined(self, identifier: str) -> dict[str, Json] | None:
        self._break()
        return next(iter(self.by_id.get(identifier, ())), None)

    def scan(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[tuple[Positions, dict[str, Json]]]:
        self._break()
        entries = [one for of_call in self.by_id.values() for one in of_call]
        for seq, entry in enumerate(entries[after.get(1, 0) :], after.get(1, 0) + 1):
            yield {1: seq}, entry

    def scan_calls(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[tuple[Positions, dict[str, Json]]]:
        self._break()
        for seq, call in enumerate(self.found[after.get(1, 0) :], after.get(1, 0) + 1):
            yield {1: seq}, call

    def heads(self) -> dict[int, int]:
        self._break()
        return {1: len(self.found)}

    def _break(self) -> None:
        if self.fault is not None:
            raise StoreError(self.fault)


def some_views(**more: Any) -> Views:
    """A gateway in good health with one target that is up."""
    gateway = more.pop("gateway", None) or a_gateway

    async def reload() -> ConfigStatus:
        return STATUS

    async def metrics(_accept: str | None) -> tuple[bytes, str]:
        return b"", "text/plain"

    async def keep_verdict(_said: ReviewVerdict) -> None: ...

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
        "keep_verdict": keep_verdict,
        "erasing": FakeErasingDesk,
        "beside": lambda: {"witnesses": [], "exports": []},
        **more,
    }
    return Views(**settings)


def a_status(name: str = "shop", **more: Any) -> TargetStatus:
    settings: dict[str, Any] = {"kind": "mcp_http", "is_ready": True, "tools": 1, **more}
    return TargetStatus(name=name, **settings)


def get(path: str, **more: Any) -> Answered:
    """Asks a control listener on loopback; `more` goes into its views."""
    return ask(ControlEndpoint(some_views(**more), ControlListenerSettings()), path)
