"""`callgate policy who-can`: who may call a tool, by name and in general."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import click

from callgate.audit.explain import printable
from callgate.audit.principals import Recalled
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
from callgate.policy.claims import claims_matter
from callgate.policy.reach import Known, Reachable, Way, ways
from callgate.ports import StoreError
from callgate.protocol.harmless import as_json as shown_json
from callgate.storage.blobs.opening import reader_of
from callgate.storage.reading import Records

MOST_PRINCIPALS = 10_000
UNKNOWN = "unknown"  # in place of a Reach


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
    lacks: str = ""  # why that cannot be said

    @property
    def said(self) -> str:
        """In one line."""
        if self.lacks:
            return f"not known: policies read claims here, and {printable(self.lacks)}"
        return summary(self.reachable)

    @property
    def as_json(self) -> dict[str, Json]:
        """All of it."""
        named = {"name": self.name, "id": self.principal.id}
        if self.lacks:
            unknown = Reachable(tool=self.reachable.tool, reach=self.reachable.reach)
            said = {"reach": UNKNOWN, "reason": self.lacks}
            return {**named, **reachable_json(unknown), **said}
        return {**named, **reachable_json(self.reachable)}


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
    people = {name: Recalled(principal=one) for name, one in grounds.principals.items()}
    if wanted.from_record:
        people = recorded(grounds) | people
    permits, forbids = ways(grounds.engine, tool, known)
    return _Found(
        tool=tool,
        asked=tuple(
            _Asked(
                name=name,
                principal=one.principal,
                reachable=reach_of(grounds, tool, known, one.principal),
                lacks=one.lacks if _hangs_on_claims(grounds, tool, one) else "",
            )
            for name, one in people.items()
        ),
        permits=permits,
        forbids=forbids,
    )


def _hangs_on_claims(grounds: Grounds, tool: Tool, one: Recalled) -> bool:
    return bool(one.lacks) and claims_matter(grounds.engine, one.principal, tool)


def recorded(grounds: Grounds) -> dict[str, Recalled]:
    """The principals seen last in the record, as they were then. Raises CannotSay.

    Without those that the configuration knows: they are as it says.
    """
    if grounds.config is None:
        raise CannotSay("--from-record needs a configuration that says where the record is")
    store = grounds.config.store
    try:
        people = Records(store, reader_of(store)).people(MOST_PRINCIPALS)
    except StoreError as error:
        raise CannotSay(str(error)) from None
    known = {one.key for one in grounds.principals.values()}
    others = (one for one in people if one.principal.key not in known)
    return named(others, grounds.principals.keys())


def named(people: Iterable[Recalled], taken: Collection[str] = ()) -> dict[str, Recalled]:
    """By id; with agent and issuer where that names another. The latest of one is kept."""
    found: dict[str, Recalled] = {}
    for one in people:
        found.setdefault(one.principal.key, one)
    count = Counter(one.principal.id for one in found.values()) + Counter(taken)
    return {_name(one.principal, count): one for one in found.values()}


def _name(one: Principal, count: Counter[str]) -> str:
    return one.id if count[one.id] == 1 else f"{one.id} ({one.agent or 'no agent'}, {one.issuer})"


def _lines(grounds: Grounds, found: _Found) -> Iterator[str]:
    yield found.tool.qualified_name
    if found.asked:
        yield "\nprincipals"
        width = max(len(printable(one.name)) for one in found.asked)
        for one in found.asked:
            yield f"  {printable(one.name):<{width}}  {one.said}"
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
        "principals": [one.as_json for one in found.asked],
        "permits": [way_json(way) for way in found.permits],
        "forbids": [way_json(way) for way in found.forbids],
    }
