"""The calls of a run in their order, each as far as the record tells it."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.audit.explain import began
from callgate.audit.record import instant
from callgate.model import CALL_TOOL, Json, Value, qualify

NEVER_RAN = "no"


class Step(Value):
    """One call of a run. Texts are as callers wrote them: nothing here is safe to print."""

    number: int  # in the run, from 1
    call: str  # its id
    tool: str  # `<target>___<tool>`, or the method, or the name that was asked for
    received_at: float  # seconds since the epoch
    ended_at: float | None = None  # None: in flight
    target: str | None = None
    method: str = CALL_TOOL
    principal: str = ""
    agent: str | None = None
    run: str | None = None
    session: str | None = None
    sha256: str | None = None  # of the tool's definition
    code: str | None = None  # None: in flight
    ran: str | None = None
    is_delivered: bool = False
    arguments: Json = None  # None: not in the record any more
    content: Json = None  # what came back; None: nothing, withheld, not kept, or erased
    result_bytes: int | None = None
    is_failed: bool = False  # the target says that the tool failed
    is_erased: bool = False
    reason: str = ""
    decision: dict[str, Json] | None = None
    changes: tuple[dict[str, Json], ...] = ()
    labels: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()  # dotted paths of arguments
    seconds: dict[str, float] = {}  # by stage
    asked_in: str | None = None  # the id of the call during which the target asks for this

    @property
    def is_refused(self) -> bool:
        """Whether it ended before any target was reached, by a decision."""
        return self.code in _DECIDED and self.ran == NEVER_RAN

    @property
    def is_withheld(self) -> bool:
        """Whether the tool ran and its result was kept back by a decision."""
        return self.code == "result_withheld"

    @property
    def outcome(self) -> str:
        """`ok`, `refused`, `withheld`, `failed` or `in flight`: what reports count by."""
        if self.code is None:
            return "in flight"
        if self.code == "ok":
            return "ok"
        if self.is_withheld:
            return "withheld"
        return "refused" if self.is_refused else "failed"

    @property
    def policies(self) -> tuple[str, ...]:
        """Ids of the policies that decided."""
        return tuple((self.decision or {}).get("policies") or ())

    @property
    def total_seconds(self) -> float | None:
        """How long it took; None while it is in flight."""
        return sum(self.seconds.values()) if self.seconds else None

    @property
    def is_list(self) -> bool:
        """Whether it asks what there is, rather than using any of it."""
        return self.method.endswith("/list")


_DECIDED = frozenset(
    {
        "unauthenticated",
        "unknown_tool",
        "unknown_item",
        "invalid_arguments",
        "invalid_state",
        "not_permitted",
        "policy_error",
        "refused_by_interceptor",
        "approval_required",
        "asking_refused",
    }
)


def steps_of(calls: Iterable[dict[str, Json]]) -> tuple[Step, ...]:
    """Calls, each as `audit.explain.whole` has it, as steps in the order in which they came in."""
    ordered = sorted(calls, key=lambda call: (began(call), call["call"]))
    return tuple(step_of(call, number) for number, call in enumerate(ordered, 1))


def step_of(call: dict[str, Json], number: int = 1) -> Step:
    """One call."""
    principal = call.get("principal") or {}
    result = call.get("result") or {}
    return Step(
        number=number,
        call=str(call["call"]),
        tool=name_of(call),
        target=call.get("target"),
        method=call.get("method") or CALL_TOOL,
        principal=str(principal.get("id") or ""),
        agent=principal.get("agent"),
        run=call.get("run"),
        session=call.get("session"),
        sha256=call.get("tool_sha256"),
        received_at=instant(began(call)),
        ended_at=instant(call["at"]) if call.get("code") is not None else None,
        code=call.get("code"),
        ran=call.get("ran"),
        is_delivered=bool(call.get("delivered")),
        arguments=call.get("arguments"),
        content=call.get("content"),
        result_bytes=result.get("bytes"),
        is_failed=bool(result.get("failed") or result.get("error")),
        is_erased=bool(call.get("erased")),
        reason=str(call.get("reason") or ""),
        decision=call.get("decision"),
        changes=tuple(call.get("changes") or ()),
        labels=tuple(call.get("labels") or ()),
        masked=tuple(call.get("masked") or ()),
        seconds=dict(call.get("seconds") or {}),
        asked_in=call.get("asked_in"),
    )


def name_of(call: dict[str, Json]) -> str:
    """What was called, as people call it."""
    target, tool = call.get("target"), call.get("tool")
    if target and tool:
        return qualify(str(target), str(tool))
    return str(call.get("name") or call.get("method") or "?")
