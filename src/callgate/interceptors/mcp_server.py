"""An MCP interceptor server that decides: `mcp:` invokes what it offers, as draft SEP-2624 says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.mcp_descriptors import Found
from callgate.interceptors.mcp_host import Host
from callgate.interceptors.mcp_payloads import Matter, context_of, matter_of, meta_of
from callgate.interceptors.mcp_plan import Finding, Outcome, Plan
from callgate.interceptors.mcp_results import Said, read_said
from callgate.interceptors.mcp_settings import McpSettings
from callgate.model import Json
from callgate.ports import Clock, Connector
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Asked, Decision, Listed, Passive, Request, Result

SHARE = 0.9  # of the time that there is: the rest is ours, to say what came of it
MAX_NOTE_CHARACTERS = 600
MAX_LABELS = 8
MAX_LABEL_PART = 25  # characters of a name in a label

Connect = Callable[[dict[str, Json]], Connector]
"""Settings, as they would stand under `targets:` → the way there. Raises InterceptorError."""


@dataclass(frozen=True, slots=True)
class McpTerms:
    """Where the interceptor stands, and how its server is reached."""

    name: str
    clock: Clock
    points: frozenset[str]
    timeout_seconds: float
    connect: Connect | None


class McpServer(Passive):
    """Invokes the interceptors of one server about every view. Keeps their list, nothing else."""

    def __init__(self, settings: McpSettings, terms: McpTerms) -> None:
        """Raises InterceptorError."""
        if "message" in terms.points:
            raise InterceptorError(
                "notifications are no events of SEP-2624; take `message` out of `on`"
            )
        if terms.connect is None:
            raise InterceptorError("no server can be reached from here; use a running gateway")
        self._settings = settings
        self._name = terms.name
        self._clock = terms.clock
        self._seconds = terms.timeout_seconds * SHARE
        connector = terms.connect(settings.target(terms.timeout_seconds))
        self._host = Host(connector, settings, terms.clock.ticks)

    def on_request(self, request: Request) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(request)

    def on_result(self, result: Result) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(result)

    def on_list(self, listed: Listed) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(listed)

    async def _ask(self, view: Request | Result | Listed) -> Decision | None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._seconds
        matter = matter_of(view, is_bare=self._settings.payload == "params")
        found = await self._host.found(self._seconds)
        chosen = tuple(one for one in found if one.applies(matter.event, matter.phase))
        if not chosen:
            return None
        plan = Plan(
            chosen,
            matter.phase,
            is_sending=self._is_sending(matter),
            seconds=max(0.001, ends_at - loop.time()),
        )
        context = context_of(view, self._clock.now(), omit=frozenset(self._settings.omit))
        meta = meta_of(view)

        async def invoke(one: Found, payload: Json, seconds: float) -> Said:
            params = {
                "name": one.name,
                "event": matter.event,
                "phase": matter.phase,
                "payload": payload,
                "timeoutMs": max(1, int(seconds * 1000)),
                "context": context,
            }
            if one.config is not None:
                params["config"] = one.config
            result = await self._host.invoke(encode(params), seconds, meta)
            return read_said(result, one, matter.phase, payload)

        return self._decision(matter, await plan.run(matter.payload, invoke, matter.check))

    def _is_sending(self, matter: Matter) -> bool:
        """Whether the payload is about to leave the side that the gateway stands for.

        A client sends requests; what a target asks of it is a request that it receives.
        """
        goes_to_target = matter.phase == "request"
        if METHODS[matter.event].is_asked_by_target:
            goes_to_target = not goes_to_target
        return goes_to_target is (self._settings.acts_as == "client")

    def _decision(self, matter: Matter, outcome: Outcome) -> Decision | None:
        note, labels = _noted(outcome), self._labels(outcome)
        if outcome.blocked_by:
            reason = self._reason(matter, outcome.blocked_by)
            if isinstance(matter.view, Request):
                return Decision(refuse=reason, labels=labels, note=note)
            return Decision(withhold=reason, labels=labels, note=note)
        if outcome.is_modified:
            return replace(matter.wanted(outcome.payload), labels=labels, note=note)
        return Decision(labels=labels, note=note) if note else None

    def _reason(self, matter: Matter, blocked_by: tuple[Finding, ...]) -> str:
        names = ", ".join(finding.interceptor for finding in blocked_by)
        what = "this" if matter.phase == "request" else "what came back"
        reason = f"{names} does not let {what} pass."
        if matter.phase in self._settings.show_messages:
            told = " ".join(finding.told for finding in blocked_by if finding.told)
            reason += f" {told}" if told else ""
        return reason

    def _labels(self, outcome: Outcome) -> tuple[str, ...]:
        """What its validators found, and what failed or only audits.

        They begin with the name of this interceptor, so that no server can give another's labels.
        """
        labels = (
            f"{self._name[:MAX_LABEL_PART]}/{finding.interceptor[:MAX_LABEL_PART]}:{finding.what}"
            for finding in outcome.findings
            if finding.what != "changed"
        )
        return tuple(dict.fromkeys(labels))[:MAX_LABELS]

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        await self._host.close()


def _noted(outcome: Outcome) -> str:
    texts = (
        f"{finding.interceptor}: {finding.what}{f' ({finding.told})' if finding.told else ''}"
        for finding in outcome.findings
    )
    return "; ".join(texts)[:MAX_NOTE_CHARACTERS]
