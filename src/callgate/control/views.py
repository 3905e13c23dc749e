"""What the control API may see and do: ports of its own, filled in by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from callgate.audit.principals import Recalled
from callgate.control.countersigning import Countersigner
from callgate.control.desk import ErasingDesk, PolicyDesk
from callgate.control.logins import Logins
from callgate.control.problems import Problem
from callgate.model import Json, Value
from callgate.pipeline.gateway import Gateway
from callgate.ports import RecordReader, TargetStatus
from callgate.review.verdicts import ReviewVerdict

_LATER = (("retry-after", "5"),)


class Crowd:
    """How many requests wait for something to happen. For one event loop."""

    def __init__(self) -> None:
        self._count = 0

    @contextmanager
    def one_more(self, most: int) -> Iterator[None]:
        """Raises Problem where there are so many already."""
        if self._count >= most:
            raise Problem(429, f"{most} requests wait already; ask without `wait`.", headers=_LATER)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


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
    principals: Callable[[], Sequence[Recalled]]  # of configuration and record; as `records`
    count_evaluations: Callable[[str, bool, int], None]  # which API, whether permitted, how many
    metrics: Callable[[str | None], Awaitable[tuple[bytes, str]]]  # Accept → body, media type
    is_stopping: Callable[[], bool]
    keep_verdict: Callable[[ReviewVerdict], Awaitable[None]]  # durably; raises StoreError
    erasing: Callable[[], ErasingDesk]
    beside: Callable[[], Json]  # how witnesses and exports are doing
    countersigner: Countersigner | None = None  # None: this gateway is no witness for others
    waiting: Crowd = field(default_factory=Crowd)
    logins: Logins = field(default_factory=Logins)

    def in_force(self) -> Gateway:
        """The gateway that takes calls now. Raises Problem where there is none yet."""
        gateway = self.gateway()
        if gateway is None:
            raise Problem(503, "The gateway is still starting; ask again.")
        return gateway
