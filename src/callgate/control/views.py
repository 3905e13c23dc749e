"""What the control API may see and do: ports of its own, filled in by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from callgate.control.desk import PolicyDesk
from callgate.control.problems import Problem
from callgate.model import Json, Principal, Value
from callgate.pipeline.gateway import Gateway
from callgate.ports import CallFilter, TargetStatus


class RecordReader(Protocol):
    """Questions about the record. Called from threads; may block. Raises StoreError."""

    def calls(self, chosen: CallFilter) -> Sequence[dict[str, Json]]:
        """Calls, newest first, each as `audit.explain.whole` has it."""

    def entries(self, call_id: str) -> Sequence[dict[str, Json]]:
        """Everything recorded of one call, in order, as `audit.explain` takes it; or nothing."""


class ConfigStatus(Value):
    """Which configuration is in force. No secrets."""

    file: str
    digest: str  # sha256 of the file, hex
    loaded_at: float  # seconds since the epoch
    reload_error: str | None = None  # why the last reload changed nothing; None where it worked


@dataclass(frozen=True, slots=True)
class Views:
    """The gateway, as operators see it. Called on the loop, but for `records` and `principals`."""

    gateway: Callable[[], Gateway | None]  # None: no policy set is in force yet
    targets: Callable[[], Sequence[TargetStatus]]
    config: Callable[[], ConfigStatus]
    reload: Callable[[], Awaitable[ConfigStatus]]  # a bad configuration: `reload_error` is set
    records: RecordReader
    policies: PolicyDesk
    principals: Callable[[], Sequence[Principal]]  # of configuration and record; as `records`
    count_evaluations: Callable[[str, bool, int], None]  # which API, whether permitted, how many
    metrics: Callable[[str | None], Awaitable[tuple[bytes, str]]]  # Accept → body, media type
    is_stopping: Callable[[], bool]

    def in_force(self) -> Gateway:
        """The gateway that takes calls now. Raises Problem where there is none yet."""
        gateway = self.gateway()
        if gateway is None:
            raise Problem(503, "The gateway is still starting; ask again.")
        return gateway
