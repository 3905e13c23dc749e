"""A run, reviewed: its calls, where their arguments came from, findings, verdicts, what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from callgate.audit.record import instant, rfc3339
from callgate.model import Json, Value
from callgate.review.finding import Bound, Finding, History, Scene
from callgate.review.findings import findings
from callgate.review.flow import MAX_CHARACTERS, Flow, trace
from callgate.review.steps import Step
from callgate.review.verdicts import ReviewVerdict


class Happening(Value):
    """Something that happened while a run went on: other policies, a changed tool."""

    at: float
    what: str  # the name of the event
    sentence: str


class RunFinding(Value):
    """A finding, and the run that it is about."""

    run: str
    finding: Finding


class Reviewed(Value):
    """Everything there is to see of some calls."""

    run: str  # its id; a description, where it is more than one run
    steps: tuple[Step, ...]
    flows: tuple[Flow, ...]
    findings: tuple[Finding, ...]
    verdicts: dict[str, ReviewVerdict] = {}
    happenings: tuple[Happening, ...] = ()
    history: History = History()
    is_whole: bool = True  # all calls are here
    is_traced: bool = True  # all results were looked at for data flow
    of_runs: tuple[RunFinding, ...] = ()  # where it is more than one run
    runs_left: int = 0  # of those, how many were not looked into

    @property
    def outcomes(self) -> Counter[str]:
        """How many calls came out how."""
        return Counter(step.outcome for step in self.steps)

    @property
    def principals(self) -> tuple[str, ...]:
        """Who called, agents in brackets."""
        return tuple(dict.fromkeys(who(step) for step in self.steps))

    def as_json(self) -> dict[str, Json]:
        """All of it as JSON values; steps without their decisions' accounts and results."""
        return {
            "run": self.run,
            "principals": self.principals,
            "outcomes": dict(self.outcomes),
            "is_whole": self.is_whole,
            "is_traced": self.is_traced,
            "steps": [step_json(step) for step in self.steps],
            "flows": msgspec.to_builtins(self.flows),
            "findings": msgspec.to_builtins(self.findings),
            "verdicts": [msgspec.to_builtins(one) for one in self.verdicts.values()],
            "happenings": [
                {**msgspec.to_builtins(one), "at": rfc3339(one.at)} for one in self.happenings
            ],
        }


def who(step: Step) -> str:
    """The principal, with its agent."""
    name = step.principal or "nobody"
    return f"{name} ({step.agent})" if step.agent else name


def step_json(step: Step) -> dict[str, Json]:
    """A call as a line of a timeline."""
    return {
        "number": step.number,
        "call": step.call,
        "at": rfc3339(step.received_at),
        "tool": step.tool,
        "principal": step.principal,
        "agent": step.agent,
        "outcome": step.outcome,
        "code": step.code,
        "ran": step.ran,
        "delivered": step.is_delivered,
        "policies": step.policies,
        "reason": step.reason,
        "labels": step.labels,
        "changes": [
            {key: change.get(key) for key in ("interceptor", "phase", "action", "paths", "mode")}
            for change in step.changes
        ],
        "result_bytes": step.result_bytes,
        "seconds": step.seconds,
        "asked_in": step.asked_in,
        "erased": step.is_erased,
    }


class Material(Value):
    """What a review is made of."""

    steps: tuple[Step, ...]
    history: History = History()
    bounds: tuple[Bound, ...] = ()
    definitions: dict[str, dict[str, Json]] = {}  # by digest
    verdicts: dict[str, ReviewVerdict] = {}
    happenings: tuple[Happening, ...] = ()
    is_whole: bool = True
    has_contents: bool = True  # of all calls, as far as those were kept


def review(run: str, material: Material, most_characters: int = MAX_CHARACTERS) -> Reviewed:
    """Looks at the calls of one run."""
    traced = trace(material.steps, most_characters)
    scene = Scene(
        material.steps,
        traced.flows,
        material.history,
        bounds=material.bounds,
        definitions=material.definitions,
    )
    return Reviewed(
        run=run,
        steps=material.steps,
        flows=traced.flows,
        findings=findings(scene),
        verdicts=material.verdicts,
        happenings=material.happenings,
        history=material.history,
        is_whole=material.is_whole,
        is_traced=traced.is_whole and material.has_contents,
    )


def happenings_of(events: Iterable[Mapping[str, Json]]) -> tuple[Happening, ...]:
    """Events as things that happened. That a target is listed for the first time is none."""
    return tuple(
        Happening(at=instant(one["at"]), what=str(one.get("event")), sentence=_sentence(one))
        for one in events
        if not one.get("is_first")
    )


def _sentence(one: Mapping[str, Json]) -> str:
    match one.get("event"):
        case "policies_in_force":
            return f"The policies of version {one.get('version')} came into force."
        case "config_in_force":
            return "Another configuration came into force."
        case "tool_changed":
            changed, appeared, vanished = (
                one.get(name) or 0 for name in ("changed", "appeared", "vanished")
            )
            return (
                f"The tools of {one.get('target')} are others: {changed} changed, "
                f"{appeared} appeared, {vanished} vanished."
            )
        case "gateway_started":
            return "The gateway started."
        case "gateway_stopped":
            return "The gateway stopped."
    return f"{one.get('event')}."
