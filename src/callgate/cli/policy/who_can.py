"""`callgate policy who-can`: who may call a tool, by name and in general."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import click

from callgate.audit.explain import printable
from callgate.cli.policy.asking import Pairs, arguments_of, tool_of
from callgate.cli.policy.grounds import CannotSay, Chosen, Grounds, grounded, grounds_options
from callgate.cli.policy.reaching import (
    at_option,
    json_option,
    reach_of,
    reachable_json,
    sentence,
    summary,
    way_json,
)
from callgate.model import Json, Principal, Tool, Value
from callgate.policy.reach import Known, Reachable, Way, ways
from callgate.ports import StoreError
from callgate.protocol.harmless import as_json as shown_json
from callgate.storage.reading import Records

MOST_PRINCIPALS = 10_000


class _Wanted(Value):
    """What the options say."""

    single: tuple[tuple[str, str], ...]
    whole: str | None
    at: float | None
    from_record: bool


class _Asked(Value):
    """What one principal could do with the tool."""

    name: str
    principal: Principal
    reachable: Reachable


class _Found(Value):
    """Everything there is to say of one tool."""

    tool: Tool
    asked: tuple[_Asked, ...]
    permits: tuple[Way, ...]
    forbids: tuple[Way, ...]


@click.command("who-can")
@grounds_options
@click.argument("tool")
@click.option("--arg", "single", type=Pairs(), multiple=True, help="An argument that is known.")
@click.option("--args", "whole", metavar="JSON|@FILE", help="Arguments that are known, as JSON.")
@click.option(
    "--from-record", is_flag=True, help="Also ask for the principals of the latest recorded calls."
)
@at_option
@json_option
def who_can(chosen: Chosen, tool: str, as_json: bool, **options: Any) -> None:
    """Say who may call TOOL: the principals that are known, and whom the policies mean.

    What is not given stays open: conditions on it are said as they are written.

    Exit codes: 0 said, 2 it could not be said.
    """
    grounds = grounded(chosen)
    found = _found(grounds, tool_of(tool, grounds), _Wanted(**options))
    if as_json:
        click.echo(shown_json(_as_json(found)))
        return
    for line in _lines(grounds, found):
        click.echo(line)


def _found(grounds: Grounds, tool: Tool, wanted: _Wanted) -> _Found:
    known = Known(arguments=arguments_of(tool, wanted.whole, wanted.single), now=wanted.at)
    people = dict(grounds.principals)
    if wanted.from_record:
        people = recorded(grounds) | people
    permits, forbids = ways(grounds.engine, tool, known)
    return _Found(
        tool=tool,
        asked=tuple(
            _Asked(name=name, principal=one, reachable=reach_of(grounds, tool, known, one))
            for name, one in people.items()
        ),
        permits=permits,
        forbids=forbids,
    )


def recorded(grounds: Grounds) -> dict[str, Principal]:
    """The principals seen last in the record, as they were then. Raises CannotSay.

    Without their claims, so that conditions on them see none.
    """
    if grounds.config is None:
        raise CannotSay("--from-record needs a configuration that says where the record is")
    try:
        return named(Records(grounds.config.store).principals(MOST_PRINCIPALS))
    except StoreError as error:
        raise CannotSay(str(error)) from None


def named(principals: Iterable[Principal]) -> dict[str, Principal]:
    """By id; with agent and issuer where more than one has the id. The latest is kept."""
    found: dict[str, Principal] = {}
    for principal in principals:
        found.setdefault(principal.key, principal)
    count = Counter(principal.id for principal in found.values())
    return {
        one.id if count[one.id] == 1 else f"{one.id} ({one.agent or 'no agent'}, {one.issuer})": one
        for one in found.values()
    }


def _lines(grounds: Grounds, found: _Found) -> Iterator[str]:
    yield found.tool.qualified_name
    if found.asked:
        yield "\nprincipals"
        width = max(len(printable(one.name)) for one in found.asked)
        for one in found.asked:
            yield f"  {printable(one.name):<{width}}  {summary(one.reachable)}"
    yield "\nthe policies permit"
    for way in found.permits:
        yield f"  {sentence(grounds, way)}"
    if not found.permits:
        yield "  nobody"
    if found.forbids:
        yield "\nand forbid"
        for way in found.forbids:
            yield f"  {sentence(grounds, way)}"


def _as_json(found: _Found) -> dict[str, Json]:
    return {
        "tool": found.tool.qualified_name,
        "principals": [
            {"name": one.name, "id": one.principal.id, **reachable_json(one.reachable)}
            for one in found.asked
        ],
        "permits": [way_json(way) for way in found.permits],
        "forbids": [way_json(way) for way in found.forbids],
    }
