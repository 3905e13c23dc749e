"""The order in which interceptors of a server are asked about one payload, and what comes of it.

The execution model of draft SEP-2624: mutators one after the other and all or nothing, validators
side by side; who sends mutates before it validates, who receives validates first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from callgate.interceptors.mcp_descriptors import Found, McpError
from callgate.interceptors.mcp_results import Said
from callgate.model import Json, Value

Invoke = Callable[[Found, Json, float], Awaitable[Said]]
"""Asks one interceptor about a payload, within so many seconds. Raises McpError, TimeoutError."""

Check = Callable[[Json], None]
"""Raises McpError where a mutator's payload is not one, or changes what no mutator may."""


class Finding(Value):
    """Something that one interceptor has to say, for the record."""

    interceptor: str
    what: str  # error | warn | info | changed | would_change | failed
    told: str = ""


class Outcome(Value):
    """What comes of a plan."""

    payload: Json = None  # as the mutators leave it
    is_modified: bool = False
    blocked_by: tuple[Finding, ...] = ()  # the validators that say no
    findings: tuple[Finding, ...] = ()  # all that is worth a record, in the order of the plan


class Plan:
    """What is asked about one payload."""

    def __init__(
        self, chosen: tuple[Found, ...], phase: str, *, is_sending: bool, seconds: float
    ) -> None:
        mutators = [one for one in chosen if one.is_mutator]
        self._mutators = sorted(mutators, key=lambda one: (one.priorities.get(phase, 0), one.name))
        self._validators = [one for one in chosen if not one.is_mutator]
        self._is_sending = is_sending
        passes = sum(not one.is_audit for one in self._mutators) + bool(self._validators)
        # INVARIANT: what hangs takes its own share only, so that one that may fail, or that only
        # audits, never makes the others fail.
        self._share_seconds = seconds / max(1, passes)
        self._seconds = seconds

    async def run(self, payload: Json, invoke: Invoke, check: Check) -> Outcome:
        """Asks them all. Raises McpError or TimeoutError where one failed that must not."""
        course = _Course(payload, invoke, check, self._seconds_for)
        async with asyncio.TaskGroup() as group:
            if self._is_sending:
                failure = await course.mutate(self._mutators, group)
                if failure is None:
                    failure = await course.validate(self._validators)
            else:
                failure = await course.validate(self._validators)
                if failure is None and not course.blocked_by:
                    failure = await course.mutate(self._mutators, group)
        # A validator's no outweighs that another one failed: a failure may be let pass.
        if failure is not None and not course.blocked_by:
            raise failure
        return course.outcome()

    def _seconds_for(self, found: Found) -> float:
        if found.timeout_seconds is not None:
            return min(found.timeout_seconds, self._seconds)
        return self._share_seconds


class _Course:
    """One run of a plan."""

    def __init__(
        self, payload: Json, invoke: Invoke, check: Check, seconds_for: Callable[[Found], float]
    ) -> None:
        self._payload = self._before = payload
        self._invoke = invoke
        self._check = check
        self._seconds_for = seconds_for
        self._findings: list[Finding] = []
        self.blocked_by: list[Finding] = []

    async def mutate(self, mutators: list[Found], group: asyncio.TaskGroup) -> Exception | None:
        """One after the other; the first failure that matters ends it, and nothing is changed."""
        for found in mutators:
            if found.is_audit:
                group.create_task(self._shadow(found, self._payload))
                continue
            said = await self._ask(found, self._payload)
            if isinstance(said, Exception):
                if not found.may_fail:
                    self._payload = self._before
                    return said
            elif said.is_modified:
                self._payload = said.payload
                self._findings.append(Finding(interceptor=found.name, what="changed"))
        return None

    async def _shadow(self, found: Found, payload: Json) -> None:
        """Asks one that only audits, beside the others: nobody waits for it but the record."""
        said = await self._ask(found, payload)
        if isinstance(said, Said) and said.is_modified:
            self._findings.append(Finding(interceptor=found.name, what="would_change"))

    async def validate(self, validators: list[Found]) -> Exception | None:
        """Side by side; all of them are heard before anything comes of it."""
        payload = self._payload
        answers = await asyncio.gather(*(self._ask(one, payload) for one in validators))
        failure: Exception | None = None
        for found, said in zip(validators, answers, strict=True):
            if isinstance(said, Exception):
                if not (found.is_audit or found.may_fail):
                    failure = failure or said
            elif said.severity:
                finding = Finding(interceptor=found.name, what=said.severity, told=said.told)
                self._findings.append(finding)
                if said.is_blocking and not found.is_audit:
                    self.blocked_by.append(finding)
        return failure

    async def _ask(self, found: Found, payload: Json) -> Said | Exception:
        """What it says, or how it failed."""
        try:
            said = await self._invoke(found, payload, self._seconds_for(found))
            if said.is_modified:
                self._check(said.payload)
        except (McpError, TimeoutError) as error:
            self._findings.append(Finding(interceptor=found.name, what="failed", told=str(error)))
            return type(error)(f"{found.name}: {error}")
        return said

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(
            payload=self._payload,
            is_modified=self._payload is not self._before,
            blocked_by=tuple(self.blocked_by),
            findings=tuple(self._findings),
        )
