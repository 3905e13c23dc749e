"""`callgate policy what-can`: what a principal may call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from callgate.cli.policy.asking import Who, principal_of, principal_options
from callgate.cli.policy.grounds import (
    CannotSay,
    Chosen,
    Grounds,
    counted,
    grounded,
    grounds_options,
)
from callgate.cli.policy.reaching import (
    at_option,
    json_option,
    reach_of,
    reachable_json,
    sentence,
)
from callgate.model import CALL_TOOL, Tool, Value
from callgate.policy.reach import Known, Reach, Reachable
from callgate.protocol.harmless import as_json as shown_json
from callgate.protocol.methods import METHODS, method_tool

_HEADINGS = {
    Reach.PERMITTED: "permitted, whatever the arguments",
    Reach.DEPENDS: "depends",
    Reach.REFUSED: "refused",
}


class _Wanted(Value):
    """What the options say."""

    principal: str | None
    target: str | None
    methods: bool
    at: float | None


@click.command("what-can")
@grounds_options
@click.argument("principal", required=False)
@principal_options
@click.option("--target", help="Only what this target offers.")
@click.option("--methods", is_flag=True, help="Also the methods of MCP, beside the tools.")
@at_option
@json_option
def what_can(chosen: Chosen, who: Who, as_json: bool, **options: Any) -> None:
    """Say what PRINCIPAL may call: always, never, or on which conditions.

    PRINCIPAL is an id, described by the options; or --as takes one whole from the configuration.

    Exit codes: 0 said, 2 it could not be said.
    """
    wanted = _Wanted(**options)
    grounds = grounded(chosen)
    caller = principal_of(who, wanted.principal, grounds)
    usable = _usable(grounds, wanted.methods)
    tools = [tool for tool in usable if wanted.target in (None, tool.target)]
    if not tools:
        raise CannotSay(f"no tool is known{f' of {wanted.target}' if wanted.target else ''}")
    found = [reach_of(grounds, tool, Known(now=wanted.at), caller) for tool in tools]
    if as_json:
        document = {"principal": caller.id, "tools": [reachable_json(one) for one in found]}
        click.echo(shown_json(document))
        return
    for line in _lines(grounds, found):
        click.echo(line)


def _usable(grounds: Grounds, with_methods: bool) -> Iterator[Tool]:
    yield from {tool.qualified_name: tool for tool in grounds.snapshot.tools}.values()
    if with_methods:
        for target in grounds.targets:
            yield from (method_tool(target, name) for name in METHODS if name != CALL_TOOL)


def _lines(grounds: Grounds, found: Sequence[Reachable]) -> Iterator[str]:
    for of, heading in _HEADINGS.items():
        those = [one for one in found if one.reach is of]
        if those:
            yield f"{heading}: {counted(len(those), 'tool')}"
        for one in those:
            yield f"  {one.tool}" + (f"  ({one.reason})" if one.reason else "")
            if of is Reach.DEPENDS:
                yield from (f"    permit {sentence(grounds, way)}" for way in one.permits)
                yield from (f"    forbid {sentence(grounds, way)}" for way in one.forbids)
    for name, why in grounds.snapshot.silent.items():
        yield f"not known: the tools of {name} ({why})"
