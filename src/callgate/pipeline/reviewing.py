"""Runs gathered from the record, with the time before them, so that they can be reviewed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from callgate.audit.definitions import tool_id
from callgate.audit.event import CONFIG, POLICIES, STARTED, STOPPED, TOOL_CHANGED
from callgate.audit.record import rfc3339
from callgate.model import Json, Tool, Value
from callgate.pipeline.explaining import filled, pages
from callgate.pipeline.replay import Versions
from callgate.policy.names import Names
from callgate.ports import CallFilter, RecordReader
from callgate.protocol.definitions import Unusable, read_tool
from callgate.review.bounds import bounds_of
from callgate.review.finding import Bound, History, history_of
from callgate.review.flow import MAX_CHARACTERS
from callgate.review.reviewed import (
    Happening,
    Material,
    Reviewed,
    RunFinding,
    happenings_of,
    review,
)
from callgate.review.steps import Step, steps_of
from callgate.review.verdicts import REVIEW_VERDICT, ReviewVerdict, verdicts_of

HAPPENINGS = (POLICIES, CONFIG, TOOL_CHANGED, STARTED, STOPPED)
MOST_CALLS = 5_000  # of one run
MOST_HISTORY = 2_000  # calls of the principal before it
MOST_LOOKED_AT = 5_000  # of the latest calls, to find a run by the beginning of its id
PAGE = 500


class Limits(Value):
    """How much one review looks at."""

    calls: int = MOST_CALLS
    history: int = MOST_HISTORY
    characters: int = MAX_CHARACTERS  # of results, for data flow


USUAL = Limits()


class NotOneRun(Exception):  # noqa: N818 - a finding about what was asked for
    """What was asked for is no run, or several; the message says what there is."""


class RunInfo(Value):
    """A run in a list."""

    run: str
    principal: str
    agent: str | None
    first_at: str  # RFC 3339; of those calls that were looked at
    last_at: str
    calls: int
    outcomes: dict[str, int]
    tools: tuple[str, ...]


class Reviewer:
    """Reviews runs of one record; policies of the past are kept while it lives."""

    def __init__(self, records: RecordReader, limits: Limits = USUAL) -> None:
        self._records = records
        self._limits = limits
        self._versions = Versions(records, Names(), {})
        self._definitions: dict[str, dict[str, Json] | None] = {}

    def run_named(self, start: str) -> str:
        """The run of an id of a run, a call or a session, or of the beginning of one.

        Raises NotOneRun, StoreError.
        """
        for exactly in (CallFilter(run=start), CallFilter(session=start)):
            if run := self._run_of(replace(exactly, with_lists=True, limit=1)):
                return run
        found: dict[str, None] = {}
        for call_id in self._records.find(start):
            entries = self._records.entries(call_id)
            run = entries[0].get("run") if entries else None
            found[run or f"no run: call {call_id}"] = None
        if not found:
            found = dict.fromkeys(self._beginning_with(start))
        if len(found) == 1 and not (only := next(iter(found))).startswith("no run"):
            return only
        if not found:
            raise NotOneRun(f"no run, call or session begins with {start!r}")
        some = "\n  ".join(list(found)[:10])
        raise NotOneRun(f"{start!r} is not one run:\n  {some}")

    def last_run(self) -> str:
        """The run of the latest call. Raises NotOneRun, StoreError."""
        for call in pages(self._records, CallFilter(with_lists=True, limit=PAGE)):
            if call.get("run"):
                return str(call["run"])
        raise NotOneRun("no call in the record belongs to a run")

    def runs(self, chosen: CallFilter, most_calls: int = MOST_LOOKED_AT) -> tuple[RunInfo, ...]:
        """The runs of the latest chosen calls, the latest first."""
        found: dict[str, list[dict[str, Json]]] = {}
        for count, call in enumerate(pages(self._records, chosen)):
            if count >= most_calls:
                break
            if call.get("run"):
                found.setdefault(call["run"], []).append(_bare(call))
        return tuple(_info(run, steps_of(calls)) for run, calls in found.items())

    def review(self, run: str) -> Reviewed:
        """One run. Raises NotOneRun, StoreError."""
        calls, is_whole = self._some(CallFilter(run=run), self._limits.calls)
        if not calls:
            raise NotOneRun(f"no call in the record belongs to the run {run}")
        steps, has_contents = self._steps(calls)
        material = replace(
            self._material(steps, self._history(steps)),
            verdicts=self._verdicts(steps),
            happenings=self._happenings(steps),
            is_whole=is_whole,
            has_contents=has_contents,
        )
        return review(run, material, self._limits.characters)

    def period(self, name: str, chosen: CallFilter, most_runs: int = 0) -> Reviewed:
        """Calls of many runs, for reports; so many of the latest runs are looked into.

        Raises StoreError.
        """
        calls, is_whole = self._some(chosen, self._limits.calls, has_contents=False)
        steps = steps_of(calls)
        runs = list(dict.fromkeys(step.run for step in reversed(steps) if step.run))
        return Reviewed(
            of_runs=tuple(self._findings(runs[:most_runs][::-1])),
            runs_left=max(len(runs) - most_runs, 0) if most_runs else 0,
            run=name,
            steps=steps,
            flows=(),
            findings=(),
            verdicts=self._verdicts(steps),
            happenings=self._happenings(steps),
            is_whole=is_whole,
        )

    def _findings(self, runs: list[str]) -> Iterator[RunFinding]:
        """Of runs in the order of time: each is held against those before it."""
        known: dict[tuple[str, str | None], History] = {}
        for run in runs:
            calls, _ = self._some(CallFilter(run=run), self._limits.calls)
            steps, _ = self._steps(calls)
            if not steps:
                continue
            who = (steps[0].principal, steps[0].agent)
            before = known[who] if who in known else self._history(steps)
            found = review(run, self._material(steps, before), self._limits.characters)
            yield from (RunFinding(run=run, finding=one) for one in found.findings)
            known[who] = history_of(steps, before=before)

    def _steps(self, calls: list[dict[str, Json]]) -> tuple[tuple[Step, ...], bool]:
        """With what was sent and came back, also where that lies elsewhere; whether with all."""
        found, is_all = filled(self._records, calls, self._limits.characters)
        return steps_of(found), is_all

    def _material(self, steps: tuple[Step, ...], history: History) -> Material:
        return Material(
            steps=steps,
            history=history,
            bounds=self._bounds(steps),
            definitions=self._defined(steps, history),
        )

    def _some(
        self, chosen: CallFilter, most: int, *, has_contents: bool = True
    ) -> tuple[list[dict[str, Json]], bool]:
        """The newest calls, and whether these are all."""
        found: list[dict[str, Json]] = []
        chosen = replace(chosen, with_lists=True, limit=min(PAGE, most + 1))
        for call in pages(self._records, chosen):
            if len(found) >= most:
                return found, False
            found.append(call if has_contents else _bare(call))
        return found, True

    def _run_of(self, chosen: CallFilter) -> str | None:
        page = self._records.calls(chosen)
        return next((call["run"] for call in page.calls if call.get("run")), None)

    def _beginning_with(self, start: str) -> Iterator[str]:
        chosen = CallFilter(with_lists=True, limit=PAGE)
        for count, call in enumerate(pages(self._records, chosen)):
            if count >= MOST_LOOKED_AT:
                return
            run, session = str(call.get("run") or ""), str(call.get("session") or "")
            if run and (run.startswith(start) or session.startswith(start)):
                yield run

    def _history(self, steps: tuple[Step, ...]) -> History:
        """The calls of the same principal and agent before the run."""
        first = steps[0]
        chosen = CallFilter(
            principal=first.principal or None,
            agent=first.agent,
            until=first.received_at,
            limit=PAGE,
        )
        if not first.principal:
            return History()
        found: list[dict[str, Json]] = []
        is_whole = True
        for call in pages(self._records, chosen):
            if call.get("run") == first.run:
                continue
            if len(found) >= self._limits.history:
                is_whole = False
                break
            found.append(call)
        return history_of(steps_of(found), is_whole=is_whole)

    def _bounds(self, steps: tuple[Step, ...]) -> tuple[Bound, ...]:
        """What the policies that decided set as maxima for the tools that were used."""
        versions = dict.fromkeys((step.decision or {}).get("version") for step in steps)
        tools = list(self._tools(steps))
        found: dict[Bound, None] = {}
        for version in versions:
            judge = self._versions.judge(version) if version else None
            if judge is not None:
                engine = judge.engine
                found.update(dict.fromkeys(bounds_of(engine.policies, engine.names, tools)))
        return tuple(found)

    def _tools(self, steps: tuple[Step, ...]) -> Iterator[Tool]:
        seen: set[str] = set()
        for step in steps:
            definition = self._definition(step.sha256)
            if definition is None or step.sha256 in seen or step.target is None:
                continue
            seen.add(step.sha256 or "")
            try:
                yield read_tool(step.target, definition)
            except Unusable:
                continue

    def _defined(self, steps: tuple[Step, ...], history: History) -> dict[str, dict[str, Json]]:
        """The definitions that the run used, and those that its tools had before."""
        used = {step.tool for step in steps}
        wanted = {step.sha256 for step in steps if step.sha256}
        wanted |= {digest for tool, digest in history.definitions.items() if tool in used}
        found = {digest: self._definition(digest) for digest in wanted}
        return {digest: one for digest, one in found.items() if one is not None}

    def _definition(self, digest: str | None) -> dict[str, Json] | None:
        if digest is None:
            return None
        if digest not in self._definitions:
            event = self._records.defined(tool_id(digest))
            definition = event.get("definition") if event is not None else None
            self._definitions[digest] = definition if isinstance(definition, dict) else None
        return self._definitions[digest]

    def _verdicts(self, steps: tuple[Step, ...]) -> dict[str, ReviewVerdict]:
        known = {step.call for step in steps}
        since = steps[0].received_at if steps else None
        every = verdicts_of(self._records.events((REVIEW_VERDICT,), since))
        return {call: one for call, one in every.items() if call in known}

    def _happenings(self, steps: tuple[Step, ...]) -> tuple[Happening, ...]:
        if not steps:
            return ()
        last = max(step.ended_at or step.received_at for step in steps)
        return happenings_of(self._records.events(HAPPENINGS, steps[0].received_at, last))


def _bare(call: dict[str, Json]) -> dict[str, Json]:
    """The call without what it carried: many of them are held at once."""
    return {name: value for name, value in call.items() if name not in _CONTENTS}


_CONTENTS = frozenset({"arguments", "content", "enriched"})


def _info(run: str, steps: Iterable[Step]) -> RunInfo:
    every = list(steps)
    last = max(step.ended_at or step.received_at for step in every)
    outcomes: dict[str, int] = {}
    for step in every:
        outcomes[step.outcome] = outcomes.get(step.outcome, 0) + 1
    return RunInfo(
        run=run,
        principal=every[-1].principal,
        agent=every[-1].agent,
        first_at=rfc3339(every[0].received_at),
        last_at=rfc3339(last),
        calls=len(every),
        outcomes=outcomes,
        tools=tuple(dict.fromkeys(step.tool for step in every))[:20],
    )
