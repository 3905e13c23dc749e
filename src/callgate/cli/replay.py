"""`callgate replay`: what a change of policies would have done to the calls that were made."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from callgate.cli.instants import Instant
from callgate.cli.policy.diff import files_named
from callgate.cli.policy.grounds import (
    CANNOT,
    CannotSay,
    Chosen,
    Grounds,
    config_options,
    configured_if,
    grounds_on,
)
from callgate.cli.progress import progress
from callgate.cli.rehearsing import Rehearsal, in_the_world_of, play
from callgate.cli.replayed import FORMS, Report, report
from callgate.cli.store import StorePlace
from callgate.model import Tool
from callgate.pipeline.replay import Rehearsed
from callgate.policy.simulated import Simulated
from callgate.policy.source import ACTIVE, SHADOW, Policy, PolicyError
from callgate.ports import CallFilter, StoreError

FLIPPED = 1
FILTERS = ("principal", "agent", "target", "tool", "run", "since", "until")
RECORDED, CURRENT = "recorded", "current"
RULINGS = ("permit", "refuse", "error", "invalid")
ANY = "any"
CHANGES = (ANY, *(f"{one}-to-{other}" for one in RULINGS for other in RULINGS if one != other))


class Allowed(click.ParamType[tuple[str, int]]):
    """`permit-to-refuse=3`: how many flips of one kind are no reason to fail."""

    name = "kind=number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """(kind, number)."""
        if isinstance(value, tuple):
            return value
        kind, _, number = value.partition("=")
        if kind not in CHANGES or not number.isdecimal():
            self.fail(f"{value!r} is not like permit-to-refuse=3; kinds: {', '.join(CHANGES)}")
        return kind, int(number)


class Share(click.ParamType[str]):
    """A number, or a percentage of all decisions."""

    name = "number or %"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it was written."""
        number = value.removesuffix("%")
        try:
            is_fine = float(number) >= 0 and (value.endswith("%") or number.isdecimal())
        except ValueError:
            is_fine = False
        if not is_fine:
            self.fail(f"{value!r} is neither a number nor a percentage")
        return str(value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say, beside what is chosen of the record."""

    policies: str | None
    against: str
    tools: str
    active: bool
    check: bool
    allow: tuple[tuple[str, int], ...]
    max_undecided: str
    jobs: int
    form: str


@click.command()
@config_options
@click.option("--store", type=StorePlace(), help="The record itself, instead of the one in the "
              "configuration: a SQLite file, or postgresql://user@host/database.")  # fmt: skip
@click.option("--policies", metavar="PLACE", help="The policies to try: a file, a directory, or "
              "git:REVISION.  [default: those of the configuration]")  # fmt: skip
@click.option("--against", metavar="recorded|PLACE", default=RECORDED, show_default=True,
              help="What to compare with: what was decided, or what other policies "
              "say.")  # fmt: skip
@click.option("--tools", metavar="recorded|current|FILE", default=RECORDED, show_default=True,
              help="Definitions of tools: as they were, as the targets tell them now, or as "
              "`callgate policy tools` wrote them.")  # fmt: skip
@click.option("--since", type=Instant(), help="From when on: `2h`, `7d`, `2026-10-01T12:00Z`.")
@click.option("--until", type=Instant(), help="Up to when.")
@click.option("--principal", help="Only calls of this principal.")
@click.option("--agent", help="Only calls of this agent.")
@click.option("--target", help="Only calls to this target.")
@click.option("--tool", help="Only calls of this tool: `log`, or `git___log`.")
@click.option("--run", help="Only calls of this run.")
@click.option("--active", is_flag=True, help="Shadow policies decide, as if they were promoted.")
@click.option("--check/--no-check", default=True, show_default=True,
              help="Reproduce each recorded verdict first, by the policies of then.")  # fmt: skip
@click.option("--allow-flips", "allow", type=Allowed(), multiple=True,
              help="So many flips of a kind are no reason to fail: permit-to-refuse=3, any=10. May "
              "be given again.")  # fmt: skip
@click.option("--max-undecided", type=Share(), default="0", show_default=True,
              help="So many decisions may be impossible to make again: 12, or 0.5%.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True,
              help="Processes.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMS), default="text", show_default=True)
@click.option("--json", "form", flag_value="json", help="As --format json.")
def replay(chosen: Chosen, store: str | None, **options: Any) -> None:
    """Make every recorded decision again under other policies, and say what flips.

    Facts are as they were: principal, groups, claims, arguments as authorized, facts of
    interceptors, time, and the tool's definition. What the record does not tell is never guessed.

    Exit codes: 0 nothing flips, 1 something does, 2 it could not be said.
    """
    asked = CallFilter(**{name: options.pop(name) for name in FILTERS}, with_lists=True)
    wanted = Wanted(**options)
    candidate, rehearsal = _rehearsal(chosen, store, asked, wanted)
    found = _played(rehearsal, wanted.jobs)
    simulated = found.simulated
    if not simulated.decided + simulated.unknown:
        raise CannotSay("the record holds no decision that was asked for: see --since and filters")
    shown = Report(
        found=found,
        grounds=candidate,
        policies=rehearsal.policies,
        against=wanted.against,
        is_checked=rehearsal.is_checked,
        excess=tuple(excess(simulated, wanted.allow)),
        undecided=undecided(simulated, wanted.max_undecided),
    )
    click.echo(report(shown, wanted.form), nl=False)
    sys.exit(_exit_code(shown))


def _exit_code(shown: Report) -> int:
    if shown.excess:
        return FLIPPED
    return CANNOT if shown.undecided else 0


def excess(found: Simulated, allowed: Sequence[tuple[str, int]]) -> Iterator[str]:
    """The kinds of flips of which there are more than may be."""
    most = dict(allowed)
    left = most.get(ANY, 0)
    for change, count in sorted(found.changes.items()):
        over = count - most.get(change, 0)
        if over > left:
            yield change
        left -= max(over, 0)


def undecided(found: Simulated, most: str) -> str | None:
    """Why too little is known; None where enough is."""
    total = found.decided + found.unknown
    bound = float(most.removesuffix("%"))
    allowed = bound / 100 * total if most.endswith("%") else bound
    if found.unknown <= allowed:
        return None
    said = f"{found.unknown} of {total} decisions could not be made again"
    return f"{said}; --max-undecided allows {most}"


def _rehearsal(
    chosen: Chosen, store: str | None, asked: CallFilter, wanted: Wanted
) -> tuple[Grounds, Rehearsal]:
    is_named = wanted.policies is not None
    config = configured_if(chosen, is_needed=not is_named or wanted.tools == CURRENT)
    tools = None if wanted.tools in (RECORDED, CURRENT) else Path(wanted.tools)
    chosen = replace(chosen, tools=tools)

    def side(named: str | None) -> Grounds:
        try:
            return grounds_on(chosen, config, files_named(chosen, config, named))
        except PolicyError as error:
            raise CannotSay(str(error)) from None

    grounds = side(wanted.policies)
    if config is None:
        grounds = in_the_world_of(grounds, chosen, store)
    against = None if wanted.against == RECORDED else side(wanted.against).policies
    current: tuple[Tool, ...] | None = None
    if wanted.tools != RECORDED:
        _require_all(grounds)
        current = grounds.snapshot.tools
    return grounds, Rehearsal(
        config=chosen.config,
        store=store,
        chosen=asked,
        policies=_deciding(grounds.policies, wanted.active),
        against=None if against is None else _deciding(against, wanted.active),
        names=grounds.names,
        enrichments=grounds.enrichments,
        is_checked=wanted.check and against is None,
        current=current,
    )


def _require_all(grounds: Grounds) -> None:
    silent = grounds.snapshot.silent
    if silent:
        why = "; ".join(f"{name}: {reason}" for name, reason in silent.items())
        raise CannotSay(f"not every tool is known ({why}), so that the answer would be a part")


def _deciding(policies: Sequence[Policy], is_active: bool) -> tuple[Policy, ...]:
    if not is_active:
        return tuple(policies)
    return tuple(replace(one, mode=ACTIVE) if one.mode == SHADOW else one for one in policies)


def _played(rehearsal: Rehearsal, jobs: int) -> Rehearsed:
    try:
        with progress("replaying") as (begin, tell):
            return play(rehearsal, jobs, begin, tell)
    except StoreError as error:
        raise CannotSay(str(error)) from None
