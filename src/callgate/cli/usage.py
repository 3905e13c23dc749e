"""`callgate usage`: which permissions, tools and policies are used, and which never are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from callgate.audit.explain import printable
from callgate.cli.instants import Instant
from callgate.cli.policy.grounds import (
    CannotSay,
    Chosen,
    Grounds,
    counted,
    grounded,
    grounds_options,
)
from callgate.cli.store import StorePlace, open_records
from callgate.ports import CallFilter, StoreError
from callgate.review.usage import Counting, PolicyUse, PrincipalUse, Usage

MOST_NAMED = 12


@click.command()
@click.option(
    "--since",
    type=Instant(),
    default="30d",
    show_default=True,
    help="From when on: `30d`, `2026-10-01`.",
)
@click.option("--principal", help="Only the rights of this principal.")
@click.option("--store", type=StorePlace(), help="The record, instead of the configuration's.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@grounds_options
def usage(chosen: Chosen, since: float, store: str | None, as_json: bool, **options: Any) -> None:
    """Say what of everything that is permitted is used: tools, policies, rights of principals.

    The recorded calls are held against the policies and tools of now. What was never used can
    mostly be taken away; `callgate replay` says what that would have refused.

    Exit codes: 0 said, 2 it could not be said.
    """
    grounds = grounded(chosen)
    found = _found(grounds, chosen, since, store)
    wanted = options["principal"]
    found.principals = [one for one in found.principals if wanted in (None, one.principal)]
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    for line in _lines(grounds, found):
        click.echo(printable(line))


def _found(grounds: Grounds, chosen: Chosen, since: float, store: str | None) -> Usage:
    now = Instant().convert("0s", None, None)
    counting = Counting()
    try:
        records = open_records(chosen.config, store)
        for _, call in records.scan_calls({}, CallFilter(since=since)):
            counting.add(call)
        if not counting.calls:
            erased = f" but {counted(counting.erased, 'erased one')}" if counting.erased else ""
            raise CannotSay(
                f"the record has no call in this time{erased}: nothing can be said of its use"
            )
        tools = {tool.qualified_name: tool for tool in grounds.snapshot.tools}
        known = grounds.principals.values()
        return counting.against(grounds.engine, tuple(tools.values()), known, now, records.defined)
    except StoreError as error:
        raise CannotSay(str(error)) from None


def _lines(grounds: Grounds, found: Usage) -> Iterator[str]:
    days = f"{found.first_at[:10]} to {found.last_at[:10]}"
    yield f"{counted(found.calls, 'call')} looked at, {days}"
    if found.erased:
        said = counted(found.erased, "more call or list was", "more calls or lists were")
        which = "it" if found.erased == 1 else "they"
        yield f"{said} erased: what {which} used is not counted, and may be called unused below"
    unused = [name for name, use in found.tools.items() if not use.calls]
    yield ""
    yield f"tools: {len(found.tools) - len(unused)} of {len(found.tools)} were called"
    if unused:
        yield f"  never called: {_named(unused)}"
    if found.former_tools:
        yield f"  called, and not there any more: {_named(found.former_tools)}"
    yield ""
    yield from _policies(grounds, found)
    yield ""
    yield f"principals: {len(found.principals)}"
    for one in sorted(found.principals, key=lambda one: (-len(one.unused), one.principal)):
        yield from _principal(one)
    for name, why in grounds.snapshot.silent.items():
        yield f"not known: the tools of {name} ({why})"


def _policies(grounds: Grounds, found: Usage) -> Iterator[str]:
    active = [one for one in found.policies if one.mode != "shadow"]
    unused = [one for one in active if one.is_unused]
    yield f"policies: {len(active) - len(unused)} of {len(active)} decided something"
    for one in unused:
        yield f"  never decided: {one.effect} {one.policy} ({_place(grounds, one)})"
    for one in active:
        if not one.is_unused and one.unused_tools and one.effect == "permit":
            yield (
                f"  {one.policy} permitted {counted(one.use.calls, 'call')}, "
                f"and none of {_named(one.unused_tools)}"
            )
    if found.former_policies:
        yield f"  decided, and not there any more: {_named(found.former_policies)}"


def _place(grounds: Grounds, one: PolicyUse) -> str:
    source, _, line = one.place.rpartition(":")
    return f"{grounds.shown(source)}:{line}"


def _principal(one: PrincipalUse) -> Iterator[str]:
    name = f"{one.principal} ({one.agent})" if one.agent else one.principal
    yield from (f"  {line}" for line in _uses(name, one))
    if one.unclear:
        why = f"policies read claims there, and {one.lacks}"
        yield f"    not known, as {why}: {_named(one.unclear)}"


def _uses(name: str, one: PrincipalUse) -> Iterator[str]:
    if not one.calls:
        yield f"{name}: never called anything; may use {counted(len(one.may), 'tool')}"
        return
    used = len(one.may) - len(one.unused)
    yield f"{name}: {counted(one.calls, 'call')}, used {used} of {counted(len(one.may), 'tool')}"
    if one.unused:
        yield f"  may, and never did: {_named(one.unused)}"


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
