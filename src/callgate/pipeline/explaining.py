"""One recorded call explained with all that the record holds: decided again, and what led to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from callgate.audit.event import after_all_id
from callgate.audit.explain import Explanation, Further, began, explain, whole
from callgate.audit.record import INTERRUPTED
from callgate.model import Json, Value
from callgate.pipeline.replay import Recall, Versions
from callgate.policy.account import brief
from callgate.policy.cases import Fits
from callgate.policy.decided import Decision, Left
from callgate.policy.names import Names
from callgate.ports import CallFilter, RecordReader
from callgate.protocol.validators import Validators
from callgate.review.flow import Flow, trace
from callgate.review.steps import Step, steps_of
from callgate.review.turning import NOT_KEPT, Prospect, in_words, prospect

MOST_STEPS = 500  # of the run, before the call
MOST_CHARACTERS = 4 << 20  # of their results together
MOST_FLOWS = 12


class Explained(Value):
    """A call in words, and what they rest on."""

    explanation: Explanation
    entries: tuple[dict[str, Json], ...]
    prospect: Prospect | None  # None: policy was not asked
    flows: tuple[Flow, ...]  # into its arguments
    sources: dict[int, str]  # number of a step → id of the call
    is_whole: bool  # whether all earlier calls of the run were looked at
    after_all: dict[str, Json] | None = None  # how it ended, where the outcome says otherwise

    def as_json(self) -> dict[str, Json]:
        """The words, the entries, and everything that was found out, as JSON values."""
        told: dict[str, Json] = msgspec.to_builtins(self.explanation)
        prospect = None if self.prospect is None else msgspec.to_builtins(self.prospect)
        return {
            **told,
            "entries": self.entries,
            "prospect": prospect,
            "flows": [
                {**msgspec.to_builtins(flow), "source_call": self.sources[flow.source]}
                for flow in self.flows
            ],
            "is_whole": self.is_whole,
            "ended_after_all": self.after_all,
        }


class Explainer:
    """Explains calls of one record; policies and tools of the past are kept while it lives."""

    def __init__(self, records: RecordReader) -> None:
        self._records = records
        self._recall = Recall(records)
        self._versions = Versions(records, Names(), {})
        self._fits: Fits = Validators().validate

    def explain(self, call_id: str) -> Explained | None:
        """None where the record has no such call. Raises StoreError."""
        entries = self._records.entries(call_id)
        if not entries:
            return None
        found = self._prospect(entries)
        steps, is_whole = self._steps(whole(entries))
        own = next((step.number for step in steps if step.call == call_id), 0)
        traced = trace([step for step in steps if step.number <= own], MOST_CHARACTERS)
        flows = tuple(flow for flow in traced.flows if flow.sink == own)
        after_all = self._after_all(whole(entries))
        further = Further(
            turning=_turning(found, whole(entries)),
            sources=tuple(_sources(flows, steps)),
            account=brief(found.account) if found is not None and found.account else None,
            after_all=after_all,
        )
        return Explained(
            explanation=explain(entries, further),
            entries=tuple(entries),
            prospect=found,
            flows=flows,
            sources={flow.source: steps[flow.source - 1].call for flow in flows},
            is_whole=is_whole and traced.is_whole,
            after_all=after_all,
        )

    def _after_all(self, call: dict[str, Json]) -> dict[str, Json] | None:
        if call["code"] != INTERRUPTED:
            return None
        return self._records.defined(after_all_id(call["call"]))

    def _prospect(self, entries: Sequence[dict[str, Json]]) -> Prospect | None:
        for entry in entries:
            found = self._recall.decision(entry)
            if isinstance(found, Left):
                told = entry.get("decision") or {}
                return Prospect(is_permitted=bool(told.get("permitted")), unknown=found.reason)
            if isinstance(found, Decision):
                judge = self._versions.judge(found.version)
                if judge is None:
                    return Prospect(is_permitted=found.ruling == "permit", unknown=NOT_KEPT)
                return prospect(judge, found, self._fits)
        return None

    def _steps(self, call: dict[str, Json]) -> tuple[tuple[Step, ...], bool]:
        """The calls of the run that came before, and the call itself."""
        run = call.get("run")
        if run is None:
            return steps_of([call]), True
        chosen = CallFilter(run=run, with_lists=True, limit=MOST_STEPS)
        found: list[dict[str, Json]] = []
        is_whole = True
        for one in pages(self._records, chosen):
            if began(one) > began(call) or one["call"] == call["call"]:
                continue
            if len(found) >= MOST_STEPS:
                is_whole = False
                break
            found.append(one)
        found, is_all = filled(self._records, found, MOST_CHARACTERS)
        return steps_of([*found, call]), is_whole and is_all


def _turning(found: Prospect | None, call: dict[str, Json]) -> tuple[str, ...]:
    if found is None:
        return ()
    return tuple(in_words(found, was_let_through=call["code"] in (None, "ok")))


def filled(
    records: RecordReader, calls: Sequence[dict[str, Json]], most_bytes: int
) -> tuple[list[dict[str, Json]], bool]:
    """Calls of pages with the payloads that those leave out, and whether these are all.

    Of so many bytes, those of the first calls; each is one more question. Raises StoreError.
    """
    found = list(calls)
    is_all = True
    for at, call in enumerate(found):
        omitted = call.get("payload_omitted")
        if omitted is None:
            continue
        most_bytes -= omitted
        if most_bytes >= 0:
            found[at] = whole(records.entries(call["call"]))
        else:
            is_all = False
    return found, is_all


def pages(records: RecordReader, chosen: CallFilter) -> Iterator[dict[str, Json]]:
    """Every chosen call, newest first, page by page. Raises StoreError."""
    while True:
        page = records.calls(chosen)
        yield from page.calls
        if page.next is None:
            return
        chosen = replace(chosen, after=page.next)


def _sources(flows: Sequence[Flow], steps: Sequence[Step]) -> Iterator[str]:
    for flow in flows[:MOST_FLOWS]:
        source = steps[flow.source - 1]
        share = "" if flow.share >= 1 or flow.how != "a part of its text" else f", {flow.share:.0%}"
        yield (
            f"{flow.sink_path} is what {source.tool} (call {source.call}) returned at "
            f"{flow.source_path}: {flow.how}{share}."
        )
    if len(flows) > MOST_FLOWS:
        yield f"{len(flows) - MOST_FLOWS} more values came from earlier results."
