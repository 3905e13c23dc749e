"""What becomes of the calls of a principal, in words for `who-can` and `what-can`."""

from __future__ import annotations

import click
from msgspec.structs import replace

from callgate.audit.explain import printable
from callgate.cli.instants import At
from callgate.cli.policy.grounds import Grounds
from callgate.model import Json, Principal, Tool
from callgate.policy.reach import Known, Reach, Reachable, Way, reach

at_option = click.option(
    "--at", type=At(), help="When, as RFC 3339. Without it, conditions on the time stay open."
)
json_option = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")


def reach_of(grounds: Grounds, tool: Tool, known: Known, principal: Principal) -> Reachable:
    """What becomes of the calls of one principal."""
    return reach(grounds.engine, tool, replace(known, principal=principal))


def summary(found: Reachable) -> str:
    """What becomes of the calls, in one line."""
    match found.reach:
        case Reach.PERMITTED:
            return "permitted"
        case Reach.REFUSED:
            return f"refused: {found.reason}"
    permits = list(dict.fromkeys(way.conditions for way in found.permits))
    text = "permitted" if "" in permits else "permitted " + ", or ".join(permits)
    forbids = dict.fromkeys(way.conditions for way in found.forbids)
    return printable(text + "".join(f"; refused {conditions}" for conditions in forbids))


def sentence(grounds: Grounds, way: Way) -> str:
    """Whom a policy means, on which conditions, and where it stands."""
    said = printable(f"{way.who}, {way.conditions}" if way.conditions else way.who)
    return f"{said}  ({way.policy}, {grounds.shown(way.source)}:{way.line})"


def reachable_json(found: Reachable) -> dict[str, Json]:
    """The same as JSON."""
    return {
        "tool": found.tool,
        "reach": found.reach,
        "reason": found.reason,
        "permits": [way_json(way) for way in found.permits],
        "forbids": [way_json(way) for way in found.forbids],
    }


def way_json(way: Way) -> dict[str, Json]:
    """One policy of it as JSON."""
    return {
        "policy": way.policy,
        "source": way.source,
        "line": way.line,
        "who": way.who,
        "conditions": way.conditions,
    }
