"""Recorded decisions, recalled with the facts as they were, to be made again by other policies.

The stages of `pipeline.DRY` are not run: `resolve` asks for the tools that there are now, `admit`
refuses nothing that `authorize` would not refuse, and `authorize` looks at the clock. What they
decide by is asked directly: the engine, with tool and time as recorded. That it comes to the same
as the stages is a test (`tests/pipeline/test_replay.py`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from callgate.audit.masks import MASKED
from callgate.audit.principals import Recalled, description_of, recalled
from callgate.audit.record import INTERRUPTED, instant
from callgate.audit.telling import AFTER_INTENT
from callgate.model import CALL_TOOL, Json, Tool, Value, Verdict, qualify
from callgate.policy.cases import Ruling, ruling_of
from callgate.policy.decided import ARGUMENTS, ENRICHED, Decision, Left, Place, digest_of, places_of
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.simulate import Judge, Simulation
from callgate.policy.simulated import Simulated
from callgate.policy.source import PolicyError, read_policies
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS, method_tool

MAX_PRINCIPALS = 4096
MAX_TOOLS = 10_000
MAX_ENGINES = 4  # policy sets of the past that are kept ready
MAX_LOST = 100_000  # erased calls whose second entry may still come
ERASED = "the entry was erased"
NO_DEFINITION = "the definition of the tool is not in the record"
NO_TOOL = "the tool is not there any more"
BEFORE_POLICY = "in_flight"
LISTED = "listed"  # what several targets have; each was asked about by itself


class Defined(Protocol):
    """What the record says once, by content: `ports.RecordReader` does."""

    def defined(self, identifier: str) -> dict[str, Json] | None:
        """The event with this id: body and payload. Raises StoreError."""


class Unasked(Value):
    """A call that ended before policy was asked."""

    code: str


Tools = Callable[[str, str], Tool | None]
"""(target, name) → the tool as it is now."""


class Recall:
    """Makes decisions of entries: who, which tool and which facts, as they were."""

    def __init__(self, record: Defined, known: Iterable[Tool] = (), tools: Tools | None = None):
        """`known` are definitions from elsewhere, used where the record lacks one of their digest.
        `tools`: the tools that take the place of the recorded ones.
        """
        self._record = record
        self._known = {tool.digest: tool.definition for tool in known}
        self._current = tools
        self._principals: OrderedDict[bytes, Recalled] = OrderedDict()
        self._lost: OrderedDict[str, None] = OrderedDict()  # calls whose entries were erased
        self._tools: dict[tuple[str, str, str], Tool | None] = {}

    def decision(self, entry: Mapping[str, Json]) -> Decision | Left | Unasked | None:
        """What an entry tells of a decision; None where another entry tells it, or it is no call's.

        Raises StoreError.
        """
        if entry["kind"] not in ("intent", "outcome"):
            return None
        if "received_at" not in entry:  # it had all of it, so that its body was erased
            return self._erased(entry)
        return None if has_intent(entry) else self.call(entry)

    def call(self, entry: Mapping[str, Json]) -> Decision | Left | Unasked:
        """What tells the decision of a call: such an entry, or the call as a whole.

        Raises StoreError.
        """
        told = entry.get("decision")
        principal = entry.get("principal")
        if told is None or principal is None:
            code = entry.get("code") or BEFORE_POLICY
            return Unasked(code=code if code != "ok" else LISTED)
        target, name = entry.get("target") or "", entry.get("tool") or ""
        was, now = self._tool(entry, target), self._now(entry, target, name)
        at = _decided_at(entry)
        tool = now if was is None else was
        if tool is None or (self._current is not None and now is None):
            reason = NO_DEFINITION if self._current is None else NO_TOOL
            named = qualify(target, name)
            return Left(
                call=entry["call"], at=at, principal=principal["id"], tool=named, reason=reason
            )
        who = self._principal(entry)
        arguments, hidden, digest = arguments_of(entry)
        enriched, hidden_facts = _enriched(entry)
        return Decision(
            call=entry["call"],
            question=Question(
                principal=who.principal, tool=tool, arguments=arguments, enriched=enriched, now=at
            ),
            ruling=_ruling(told, tool),
            policies=tuple(told.get("policies") or ()),
            reason=told.get("reason") or "",
            version=told.get("version") or "",
            digest=digest,
            hidden=(*hidden, *hidden_facts),
            knows_claims=not who.lacks,
            knows_tool=was is not None,
            current=now,
            is_early=is_early(entry),
        )

    def _erased(self, entry: Mapping[str, Json]) -> Left | None:
        """One call is one decision that is lost, whether it left one entry or two."""
        call = entry["call"]
        if call in self._lost:
            del self._lost[call]
            return None
        self._lost[call] = None
        if len(self._lost) > MAX_LOST:
            self._lost.popitem(last=False)
        return Left(
            call=call,
            at=instant(entry["at"]),
            principal="(erased)",
            tool=qualify(entry.get("target") or "", entry.get("tool") or ""),
            reason=ERASED,
        )

    def _tool(self, entry: Mapping[str, Json], target: str) -> Tool | None:
        """The tool as it was."""
        method = entry.get("method") or CALL_TOOL
        key = (target, method, entry.get("tool_sha256") or "")
        if key not in self._tools:
            if len(self._tools) >= MAX_TOOLS:
                self._tools.clear()
            self._tools[key] = self._defined(*key)
        return self._tools[key]

    def _now(self, entry: Mapping[str, Json], target: str, name: str) -> Tool | None:
        """The tool as it is now, where that is to be gone by."""
        if self._current is None:
            return None
        method = entry.get("method") or CALL_TOOL
        if method == CALL_TOOL:
            return self._current(target, name)
        return method_tool(target, method) if method in METHODS else None

    def _defined(self, target: str, method: str, digest: str) -> Tool | None:
        if method != CALL_TOOL:
            asked = method_tool(target, method) if method in METHODS else None
            return asked if asked is not None and asked.digest == digest else None
        event = self._record.defined(f"tool:{digest}") or {}
        for definition in (event.get("definition"), self._known.get(digest)):
            try:
                tool = read_tool(target, definition) if isinstance(definition, dict) else None
            except Unusable:
                continue
            # INVARIANT: decided by the definition that the entry names, or not at all.
            if tool is not None and tool.digest == digest:
                return tool
        return None

    def _principal(self, entry: Mapping[str, Json]) -> Recalled:
        """Who called, one object for all calls of one proof."""
        said = entry["principal"]
        key = encode(said)
        known = self._principals.get(key)
        if known is None:
            of = description_of(said)
            described = self._record.defined(of) if of is not None else None
            known = recalled(dict(entry), described)
            assert known is not None  # noqa: S101 - the caller has looked
            self._principals[key] = known
            if len(self._principals) > MAX_PRINCIPALS:
                self._principals.popitem(last=False)
        return known


class Versions:
    """The policy sets of the past, rebuilt from the record."""

    def __init__(
        self, record: Defined, names: Names, enrichments: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Names and types of facts are those to go by where a version does not tell its own."""
        self._record = record
        self._names = names
        self._enrichments = enrichments
        self._judges: OrderedDict[str, Judge | None] = OrderedDict()

    def judge(self, version: str) -> Judge | None:
        """The policies of a version; None where they are not in the record. Raises StoreError."""
        if version in self._judges:
            self._judges.move_to_end(version)
            return self._judges[version]
        judge = self._judges[version] = self._built(version)
        if len(self._judges) > MAX_ENGINES:
            self._judges.popitem(last=False)
        return judge

    def _built(self, version: str) -> Judge | None:
        event = self._record.defined(f"policies:{version}") if version else None
        engine = engine_of(event or {}, self._names, self._enrichments)
        # INVARIANT: what is rebuilt is the set that decided, or it is not used.
        return Judge(engine) if engine is not None and engine.version == version else None


def engine_of(
    event: Mapping[str, Json], names: Names, enrichments: Mapping[str, Mapping[str, str]]
) -> Engine | None:
    """The policies that an event has defined; None where it does not tell them all."""
    told = event.get("policies")
    lines: dict[str, int] = {}
    if isinstance(told, dict):
        sources = [
            (identifier.rpartition("#")[0] or identifier, text) for identifier, text in told.items()
        ]
    elif isinstance(told, list):
        sources = [(one.get("source") or "recorded", one["text"]) for one in told]
        lines = {one["id"]: one["line"] for one in told if one.get("line")}
    else:
        return None
    texts: dict[str, list[str]] = {}
    for source, text in sources:
        texts.setdefault(source, []).append(text)
    names = Names(
        namespace=event.get("namespace") or names.namespace,
        gateway=event.get("gateway") or names.gateway,
    )
    try:
        read = read_policies((source, "\n".join(some)) for source, some in texts.items())
    except PolicyError:
        return None
    policies = [replace(one, line=lines.get(one.id, one.line)) for one in read]
    return Engine(policies, names, event.get("enriches") or enrichments)


def has_intent(entry: Mapping[str, Json]) -> bool:
    """Whether this is the outcome of a call whose decision its intent tells."""
    if entry["kind"] != "outcome":
        return False
    if entry.get("code") == INTERRUPTED or entry.get("ran") in ("yes", "unknown"):
        return True
    method = METHODS.get(entry.get("method") or CALL_TOOL)
    if (method is not None and method.is_list) or _is_answered(entry):
        return False
    return not AFTER_INTENT.isdisjoint(entry.get("seconds") or ())


def is_early(entry: Mapping[str, Json]) -> bool:
    """Whether it was refused by what scopes tell alone, before interceptors were asked."""
    stages = entry.get("seconds") or ()
    return "admit" in stages and "intercept_request" not in stages


def _is_answered(entry: Mapping[str, Json]) -> bool:
    return any(
        change.get("action") == "answered" and change.get("mode", "enforce") == "enforce"
        for change in entry.get("changes") or ()
    )


def _decided_at(entry: Mapping[str, Json]) -> float:
    """The time that policy saw, as near as the record tells it."""
    at = entry.get("decided_at")
    if at is not None:
        return instant(at)
    if entry.get("kind") == "intent":
        return instant(entry["at"])
    seconds = 0.0
    for stage, took in (entry.get("seconds") or {}).items():
        if stage in ("record_intent", "forward", "intercept_response"):
            break
        seconds += took
    return instant(entry["received_at"]) + seconds


def arguments_of(entry: Mapping[str, Json]) -> tuple[dict[str, Json], tuple[Place, ...], str]:
    """The arguments, the places in them that are not told, and the digest where they are whole."""
    arguments, digest = entry.get("arguments"), entry.get("arguments_sha256")
    if not isinstance(arguments, dict):
        return {}, (ARGUMENTS,), ""
    own = digest_of(arguments)
    if own == digest:
        return arguments, (), own
    if entry.get("masked") or entry.get("format", 1) < 2:
        hidden = tuple(places_of(arguments, MASKED, ARGUMENTS))
        if hidden:
            return arguments, hidden, ""
    # Without a digest to compare with they are as they were given, and nothing is masked in them.
    return (arguments, (), own) if digest is None else (arguments, (ARGUMENTS,), "")


def _enriched(entry: Mapping[str, Json]) -> tuple[dict[str, dict[str, Json]], tuple[Place, ...]]:
    facts = entry.get("enriched")
    if isinstance(facts, dict):
        return facts, tuple(places_of(facts, MASKED, ENRICHED))
    was_enriched = any(
        change.get("action") == "enriched" and change.get("mode", "enforce") == "enforce"
        for change in entry.get("changes") or ()
    )
    is_gone = entry.get("erased") or entry.get("payload_lost")
    return {}, (ENRICHED,) if was_enriched or is_gone else ()


def _ruling(told: Mapping[str, Json], tool: Tool) -> Ruling:
    verdict = Verdict(
        is_permitted=told["permitted"],
        policies=tuple(told.get("policies") or ()),
        errors=tuple(told.get("errors") or ()),
        reason=told.get("reason") or "",
    )
    if METHODS[tool.method].is_list:
        return Ruling.PERMIT if verdict.is_permitted else Ruling.REFUSE
    return ruling_of(verdict)


@dataclass(slots=True)
class Rehearsed:
    """What a part of the record came to."""

    simulated: Simulated = field(default_factory=Simulated)
    unasked: Counter[str] = field(default_factory=Counter)  # by refusal code: no decision was made
    entries: int = 0  # that were read

    def merge(self, other: Rehearsed) -> None:
        """Takes in another part."""
        self.simulated.merge(other.simulated)
        self.unasked += other.unasked
        self.entries += other.entries


def rehearse(
    entries: Iterator[dict[str, Json]], recall: Recall, simulation: Simulation
) -> Rehearsed:
    """Every decision among the entries once more. Raises StoreError."""
    found = Rehearsed(simulated=simulation.found)
    for entry in entries:
        found.entries += 1
        recalled = recall.decision(entry)
        if isinstance(recalled, Decision):
            simulation.add(recalled)
        elif isinstance(recalled, Left):
            simulation.leave(recalled)
        elif recalled is not None:
            found.unasked[recalled.code] += 1
    return found
