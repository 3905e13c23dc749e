"""`callgate policy draft --from-calls`: the least that permits what was permitted and ran."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import click
from msgspec.structs import replace

from callgate.app.snapshot import Snapshot
from callgate.audit.event import POLICIES_DEFINED
from callgate.audit.explain import printable
from callgate.authoring import analysing
from callgate.authoring.grounding import groups_in, tags_in
from callgate.authoring.learned import Basis, cases_text, policies_text
from callgate.cli.instants import Instant
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
from callgate.pipeline.learning import Attempt, Learnt, Lesson, learn
from callgate.pipeline.replay import Recall, Versions, engine_of
from callgate.policy.engine import Engine
from callgate.policy.learning.bounding import Level
from callgate.policy.learning.proposing import Proposed, propose
from callgate.policy.simulate import Judge, Simulation
from callgate.policy.simulated import Simulated
from callgate.policy.source import ACTIVE, Policy, PolicyError, read_policies
from callgate.policy.validation import findings
from callgate.ports import CallFilter, RecordReader, StoreError

MAX_SHOWN = 20


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

    @property
    def lesson(self) -> Lesson:
        """The same, for who learns."""
        names = ("principal", "agent", "target", "tool", "observed")
        return Lesson(**{name: getattr(self, name) for name in names})


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


def draft_from_calls(chosen: Chosen, calls: Calls, wanted: Wanted) -> None:
    """Reads the record twice: to learn, and to try what was learnt."""
    grounds = _grounds(chosen, calls.store)
    if wanted.output is not None:
        require_place(wanted.output, grounds.config)
    records = open_records(chosen.config, calls.store)
    try:
        known = tuple(_policies(records, grounds))
        lesson = replace(calls.lesson, claims=frozenset(_claims(known, calls)))
        learnt = learn(_calls(records, calls, "learning"), Recall(records), lesson)
        groups = {group for policy in known for group in groups_in(policy, grounds.names)}
        proposed = _proposed(learnt, calls, groups, grounds)
        text = _text(proposed, learnt, calls, wanted)
        grounds.snapshot = Snapshot(tools=tuple(_tools(proposed)))
        policies = _checked(text, grounds)
        attempt = _attempt(records, lesson, learnt, policies, grounds)
        tried = attempt.run(_calls(records, calls, "trying"), Recall(records))
    except StoreError as error:
        raise CannotSay(str(error)) from None
    if tried.broken:
        raise CannotSay(
            f"the draft would refuse {counted(len(tried.broken), 'call')} that it was made from: "
            f"{', '.join(tried.broken[:5])}; please report that"
        )
    if wanted.output is None:
        click.echo(text, nl=False)
    for line in _told(attempt.simulation.found, policies, grounds):
        click.echo(printable(line), err=wanted.output is None)
    if wanted.output is not None:
        cases = cases_text(proposed, tried.refused)
        write(wanted.output, text, cases, counted(len(proposed), "policy", "policies"))
        if wanted.is_installed:
            how = "ACTIVE: they decide" if wanted.active else "shadow mode: they decide nothing"
            number = counted(len(proposed), "policy", "policies")
            install(wanted.output, grounds.config, f"Install {number} as {{target}} ({how})?")


def _proposed(
    learnt: Learnt, calls: Calls, groups: Collection[str], grounds: Grounds
) -> tuple[Proposed, ...]:
    for reason, count in sorted(learnt.left.items()):
        click.echo(f"left out {counted(count, 'call')}: {reason}", err=True)
    proposed = propose(
        learnt.ledger,
        Level(calls.generalise),
        grounds.names,
        groups,
        [policy.id for policy in grounds.policies],
    )
    if not proposed:
        raise CannotSay("no call that was permitted and ran is among those that were asked for")
    return proposed


def _grounds(chosen: Chosen, store: str | None) -> Grounds:
    """The policies in force, where a configuration says them; names and facts in any case."""
    config = configured_if(chosen, is_needed=False)
    if config is not None or chosen.policies:
        return grounded(chosen)
    return in_the_world_of(grounds_on(chosen, None, ()), chosen, store)


def _policies(records: RecordReader, grounds: Grounds) -> Iterator[Policy]:
    """Every policy that is, or was: on groups and claims that none names, nothing hangs."""
    yield from grounds.policies
    for event in records.events((POLICIES_DEFINED,)):
        engine = engine_of(event, grounds.names, grounds.enrichments)
        yield from engine.policies if engine is not None else ()


def _claims(known: Sequence[Policy], calls: Calls) -> Iterator[str]:
    """Those that policies read: only the strict level asks for them again."""
    if calls.generalise == Level.STRICT:
        for policy in known:
            yield from tags_in(policy.est)


def _calls(records: RecordReader, calls: Calls, doing: str) -> Iterator[dict[str, Json]]:
    """Every call of that time that ended, in order."""
    chosen = CallFilter(since=calls.since, until=calls.until)
    with progress(doing) as (begin, tell):
        begin(sum(records.heads().values()))
        done = 0
        for positions, call in records.scan_calls({}, chosen):
            yield call
            reached = sum(positions.values())
            tell(reached - done)
            done = reached


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


def _attempt(
    records: RecordReader, lesson: Lesson, learnt: Learnt, policies: tuple[Policy, ...], on: Grounds
) -> Attempt:
    """The draft in place of all permits; what forbids stays."""
    whole = Engine((*policies, *_forbids(on)), on.names, on.enrichments)
    versions = Versions(records, on.names, on.enrichments)
    return Attempt(
        draft=Engine(policies, on.names, on.enrichments),
        simulation=Simulation(Judge(whole), recorded=versions.judge),
        lesson=lesson,
        digests=learnt.digests,
    )


def _forbids(grounds: Grounds) -> tuple[Policy, ...]:
    """What stays in force beside a draft: a draft permits, and forbids nothing."""
    return tuple(
        policy for policy in grounds.policies if policy.effect == "forbid" and policy.mode == ACTIVE
    )


def _told(found: Simulated, policies: tuple[Policy, ...], grounds: Grounds) -> Iterator[str]:
    """What it would have done to the calls of that time."""
    yield ""
    total = counted(found.decided + found.unknown, "decision")
    forbids = len(_forbids(grounds))
    beside = f" and the {counted(forbids, 'forbid')} in force" if forbids else " alone"
    yield f"tried on {total}, with these permits{beside}:"
    changes = found.changes
    yield f"  permitted as before  {found.permitted - changes['refuse-to-permit']}"
    for change, word in (
        ("permit-to-refuse", "would be refused"),
        ("refuse-to-permit", "would be permitted, where policy refused"),
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
    after = (*policies, *_forbids(grounds))
    comparison = analysing.compare(subject_of(grounds, policies), after)
    wider = [one for one in comparison.differences if one.gained is not None]
    unknown = [one for one in comparison.differences if one.reason]
    if not wider and not unknown:
        yield "proven: it permits nothing that the policies in force refuse"
    for one in wider:
        assert one.gained is not None  # noqa: S101 - chosen so
        yield f"wider than the policies in force, {one.tool}: {one.gained.sentence()}"
    for one in unknown:
        yield f"may be wider than the policies in force, {one.tool}: {one.reason}"
