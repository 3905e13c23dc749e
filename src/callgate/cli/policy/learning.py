"""`callgate policy draft --from-calls`: the least that permits what was permitted and ran."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from msgspec.structs import replace

from callgate.app.snapshot import Snapshot
from callgate.audit.event import POLICIES_DEFINED
from callgate.audit.explain import printable
from callgate.authoring import analysing
from callgate.authoring.grounding import groups_in
from callgate.authoring.learned import Basis, cases_text, policies_text
from callgate.cli.calls import Instant
from callgate.cli.policy.check import subject_of
from callgate.cli.policy.drafts import Wanted, install, require_place, write
from callgate.cli.policy.grounds import (
    CannotSay,
    Chosen,
    Grounds,
    configured_if,
    counted,
    grounded,
    grounds_on,
)
from callgate.cli.progress import progress
from callgate.cli.rehearsing import in_the_world_of
from callgate.cli.store import StorePlace, open_records
from callgate.model import Json, Tool, Value
from callgate.pipeline.replay import Recall, Versions, engine_of
from callgate.policy.answers import NO_PERMIT
from callgate.policy.cases import Ruling
from callgate.policy.decided import ARGUMENTS, Decision, Left
from callgate.policy.engine import Engine
from callgate.policy.learning.bounding import Level
from callgate.policy.learning.observing import Ledger
from callgate.policy.learning.proposing import Proposed, propose
from callgate.policy.simulate import Judge, Simulation
from callgate.policy.simulated import Simulated
from callgate.policy.source import ACTIVE, Policy, PolicyError, read_policies
from callgate.policy.validation import findings
from callgate.ports import CallFilter, RecordReader, StoreError
from callgate.protocol.methods import METHODS

MAX_REFUSED_CASES = 12
MAX_SHOWN = 20
FILTERS = ("principal", "agent", "target", "tool", "since", "until")


class Calls(Value):
    """Which calls to learn from, and how far to go beyond them."""

    store: str | None = None
    principal: str | None = None
    agent: str | None = None
    target: str | None = None
    tool: str | None = None
    since: float | None = None
    until: float | None = None
    observed: bool = False
    generalise: str = Level.STRICT

    def filter(self, *, is_whole: bool) -> CallFilter:
        """Those calls; or all that were made meanwhile."""
        names = FILTERS[-2:] if is_whole else FILTERS
        return CallFilter(**{name: getattr(self, name) for name in names})


def calls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what says which calls; the command gets it as `calls`."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        names = Calls.__struct_fields__
        return command(calls=Calls(**{name: given.pop(name) for name in names}), **given)

    for option in (
        click.option("--generalise", type=click.Choice([level.value for level in Level]),
                     default=Level.STRICT.value, show_default=True,
                     help="strict: each principal what it did. bounded: all who used a tool what "
                     "any of them did, by group where that is whole, ranges rounded outwards. "
                     "open: all who used it, any arguments."),
        click.option("--observed", is_flag=True, help="Also from calls that no policy permitted "
                     "and that ran because the gateway only observes."),
        click.option("--until", type=Instant(), help="Up to when."),
        click.option("--since", type=Instant(),
                     help="From when on: `2h`, `30d`, `2026-10-01T12:00Z`."),
        click.option("--tool", help="Only from calls of this tool: `log`, or `git___log`."),
        click.option("--target", help="Only from calls to this target."),
        click.option("--agent", help="Only from calls of this agent."),
        click.option("--principal", help="Only from calls of this principal."),
        click.option("--store", type=StorePlace(), help="The record itself, instead of the one in "
                     "the configuration: a SQLite file, or postgresql://user@host/database."),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped


@dataclass(slots=True)
class Learnt:
    """What a first reading gave."""

    ledger: Ledger = field(default_factory=Ledger)
    calls: int = 0
    first_at: float = float("inf")
    last_at: float = float("-inf")
    left: Counter[str] = field(default_factory=Counter)  # why nothing was learnt from a call


@dataclass(slots=True)
class Tried:
    """What a second reading gave, with the draft in force."""

    found: Simulated
    broken: list[str] = field(default_factory=list)  # calls it was drafted from, and refuses
    refused: list[Decision] = field(default_factory=list)


NOT_RUN = "they were permitted and did not run"
NO_ARGUMENTS = "their arguments are not in the record"
NOT_PERMITTED = "they ran although no policy permitted them: --observed learns from them"


def draft_from_calls(chosen: Chosen, calls: Calls, wanted: Wanted) -> None:
    """Reads the record twice: to learn, and to try what was learnt."""
    grounds = _grounds(chosen, calls.store)
    if wanted.output is not None:
        require_place(wanted.output, grounds.config)
    records = open_records(chosen.config, calls.store)
    try:
        learnt = _learn(records, calls)
        groups = frozenset(_groups(records, grounds))
        proposed = propose(learnt.ledger, Level(calls.generalise), grounds.names, groups)
        if not proposed:
            _tell_left(learnt)
            raise CannotSay("no call that was permitted and ran is among those that were asked for")
        text = _text(proposed, learnt, calls, wanted)
        grounds.snapshot = Snapshot(tools=tuple(_tools(proposed)))
        policies = _checked(text, grounds)
        tried = _tried(records, calls, learnt, policies, grounds)
    except StoreError as error:
        raise CannotSay(str(error)) from None
    if tried.broken:
        raise CannotSay(
            f"the draft would refuse {counted(len(tried.broken), 'call')} that it was made from: "
            f"{', '.join(tried.broken[:5])}; please report that"
        )
    _tell_left(learnt)
    if wanted.output is None:
        click.echo(text, nl=False)
    for line in _told(tried, policies, grounds):
        click.echo(printable(line), err=wanted.output is None)
    if wanted.output is not None:
        cases = cases_text(proposed, tried.refused)
        write(wanted.output, text, cases, counted(len(proposed), "policy", "policies"))
        if wanted.is_installed:
            how = "ACTIVE: they decide" if wanted.active else "shadow mode: they decide nothing"
            number = counted(len(proposed), "policy", "policies")
            install(wanted.output, grounds.config, f"Install {number} as {{target}} ({how})?")


def _grounds(chosen: Chosen, store: str | None) -> Grounds:
    """The policies in force, where a configuration says them; names and facts in any case."""
    config = configured_if(chosen, is_needed=False)
    if config is not None or chosen.policies:
        return grounded(chosen)
    return in_the_world_of(grounds_on(chosen, None, ()), chosen, store)


def _groups(records: RecordReader, grounds: Grounds) -> Iterator[str]:
    """Every group that policies name, or named: of others nothing hangs on being in them."""
    policies = list(grounds.policies)
    for event in records.events((POLICIES_DEFINED,)):
        engine = engine_of(event, grounds.names, grounds.enrichments)
        policies += engine.policies if engine is not None else ()
    for policy in policies:
        yield from groups_in(policy, grounds.names)


def _learn(records: RecordReader, calls: Calls) -> Learnt:
    learnt, recall = Learnt(), Recall(records)
    fits = calls.filter(is_whole=False)
    for decision, call in _decisions(records, recall, calls.filter(is_whole=True), "learning"):
        if isinstance(decision, Left):
            learnt.left[decision.reason] += 1
            continue
        learnt.ledger.meet(decision.question.principal)
        if not _is_among(decision, fits):
            continue
        why = _why_not(decision, call, calls)
        if why is None:
            learnt.ledger.add(decision)
            learnt.calls += 1
            learnt.first_at = min(learnt.first_at, decision.question.now)
            learnt.last_at = max(learnt.last_at, decision.question.now)
        elif why:
            learnt.left[why] += 1
    _, older = learnt.ledger.latest()
    if older:
        learnt.left["their tools had another definition than when they were used last"] += older
    return learnt


def _decisions(
    records: RecordReader, recall: Recall, chosen: CallFilter, doing: str
) -> Iterator[tuple[Decision | Left, dict[str, Json]]]:
    """Every call that ended and that policy was asked about."""
    heads = dict(records.heads())
    with progress(doing) as (begin, tell):
        begin(sum(heads.values()))
        done = 0
        for positions, call in records.scan_calls({}, chosen):
            decision = recall.call(call)
            if isinstance(decision, Decision | Left):
                yield decision, call
            reached = sum(positions.values())
            tell(reached - done)
            done = reached


def _is_among(decision: Decision, chosen: CallFilter) -> bool:
    question = decision.question
    tool = question.tool
    return all(
        wanted is None or wanted in told
        for wanted, told in (
            (chosen.principal, (question.principal.id,)),
            (chosen.agent, (question.principal.agent,)),
            (chosen.target, (tool.target,)),
            (chosen.tool, (tool.name, tool.qualified_name)),
        )
    )


def _why_not(decision: Decision, call: dict[str, Json], calls: Calls) -> str | None:
    """Why nothing is learnt from a call; "": that needs no word. None: something is."""
    if METHODS[decision.question.tool.method].is_list:
        return ""  # needs no permit
    if decision.ruling is not Ruling.PERMIT:
        ran = call.get("ran") == "yes"
        if not ran or decision.reason != NO_PERMIT:
            return ""
        if not calls.observed:
            return NOT_PERMITTED
    if call.get("ran") != "yes":
        return NOT_RUN
    return NO_ARGUMENTS if ARGUMENTS in decision.hidden else None


def _text(proposed: Sequence[Proposed], learnt: Learnt, calls: Calls, wanted: Wanted) -> str:
    basis = Basis(
        level=Level(calls.generalise),
        calls=sum(one.calls for one in proposed),
        first_at=learnt.first_at,
        last_at=learnt.last_at,
    )
    try:
        return policies_text(proposed, basis, wanted.mode)
    except PolicyError as error:
        raise CannotSay(f"{error}; --generalise bounded or open says less") from None


def _checked(text: str, grounds: Grounds) -> tuple[Policy, ...]:
    """The policies as they would decide, type-checked for every tool that they are about."""
    policies = tuple(
        replace(policy, mode=ACTIVE) for policy in read_policies([("the draft", text)])
    )
    tools = grounds.snapshot.tools
    targets = {tool.target: True for tool in tools}
    found = findings(grounds.names, policies, tools, grounds.enrichments, targets)
    wrong = [f"{one.policy}: {one.message}" for one in found if one.is_error]
    if wrong:
        raise CannotSay(f"the draft does not fit the tools ({'; '.join(wrong[:3])})")
    return policies


def _tools(proposed: Sequence[Proposed]) -> list[Tool]:
    found = {tool.qualified_name: tool for one in proposed for tool in one.tools}
    return [found[name] for name in sorted(found)]


def _tried(
    records: RecordReader,
    calls: Calls,
    learnt: Learnt,
    policies: tuple[Policy, ...],
    grounds: Grounds,
) -> Tried:
    """Everything that was called meanwhile, by whomever, with the draft and nothing else."""
    engine = Engine(policies, grounds.names, grounds.enrichments)
    versions = Versions(records, grounds.names, grounds.enrichments)
    simulation = Simulation(Judge(engine), recorded=versions.judge)
    tried = Tried(found=simulation.found)
    digests = {used.tool.digest for used in learnt.ledger.latest()[0]}
    fits, recall = calls.filter(is_whole=False), Recall(records)
    for decision, call in _decisions(records, recall, calls.filter(is_whole=True), "trying"):
        if isinstance(decision, Left):
            simulation.leave(decision)
            continue
        simulation.add(decision)
        if METHODS[decision.question.tool.method].is_list:
            continue
        is_permitted = engine.authorize(decision.question).is_permitted
        is_learnt = (
            _is_among(decision, fits)
            and _why_not(decision, call, calls) is None
            and decision.question.tool.digest in digests
        )
        if is_learnt and not is_permitted:
            tried.broken.append(decision.call)
        if not is_permitted and not decision.hidden and len(tried.refused) < MAX_REFUSED_CASES:
            tried.refused.append(decision)
    return tried


def _tell_left(learnt: Learnt) -> None:
    for reason, count in sorted(learnt.left.items()):
        click.echo(f"left out {counted(count, 'call')}: {reason}", err=True)


def _told(tried: Tried, policies: tuple[Policy, ...], grounds: Grounds) -> Iterator[str]:
    """What it would have done to the calls of that time."""
    found = tried.found
    yield ""
    total = counted(found.decided + found.unknown, "decision")
    yield f"tried on {total}, with these policies alone:"
    changes = found.changes
    yield f"  permitted as before  {found.permitted - changes['refuse-to-permit']}"
    for change, word in (
        ("permit-to-refuse", "would be refused"),
        ("refuse-to-permit", "would be permitted, and was refused"),
    ):
        kinds = [(kind, tally) for kind, tally in found.flips.items() if kind.change == change]
        yield f"  {word}  {changes[change]}"
        kinds.sort(key=lambda one: (-one[1].count, one[0].tool))
        for kind, tally in kinds[:MAX_SHOWN]:
            whom = ", ".join(f"{name} {count}" for name, count in tally.principals.most_common(5))
            example = f"; for example {tally.examples[0].call}" if tally.examples else ""
            yield f"    {kind.tool}: {counted(tally.count, 'call')} by {whom}{example}"
        if len(kinds) > MAX_SHOWN:
            yield f"    and {len(kinds) - MAX_SHOWN} more kinds"
    for reason, tally in sorted({**found.undecided, **found.unreproducible}.items()):
        yield f"  not known  {tally.count}: {reason}"
    yield from _compared(policies, grounds)


def _compared(policies: tuple[Policy, ...], grounds: Grounds) -> Iterator[str]:
    """Whether the draft permits anything that the policies in force do not; proven."""
    if not grounds.policies or not analysing.is_available():
        return
    comparison = analysing.compare(subject_of(grounds, policies), policies)
    wider = [one for one in comparison.differences if one.gained is not None]
    unknown = [one for one in comparison.differences if one.reason]
    if not wider and not unknown:
        yield "proven: it permits nothing that the policies in force refuse"
    for one in wider:
        assert one.gained is not None  # noqa: S101 - chosen so
        yield f"wider than the policies in force, {one.tool}: {one.gained.sentence()}"
    for one in unknown:
        yield f"may be wider than the policies in force, {one.tool}: {one.reason}"
