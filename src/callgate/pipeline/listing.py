"""tools/list as this caller may see it: what could be permitted with some arguments."""

from __future__ import annotations

from callgate.model import Json, Principal
from callgate.pipeline.gateway import Gateway


async def visible_tools(
    principal: Principal, gateway: Gateway, route: str | None
) -> tuple[list[Json], bool]:
    """The definitions to show, in a stable order, and whether they may change with time alone.

    On the aggregated route (`route` is None) tools are named `<target>___<tool>`; on a target's own
    route they are shown exactly as the target defined them.
    """
    await gateway.catalog.ensure(route)
    now = gateway.clock.now()
    engine = gateway.engine
    tools = gateway.catalog.tools(route)
    shown = [tool for tool in tools if engine.is_listed(principal, tool, now)]
    varies = engine.varies_with_time(principal, tools)
    if route is not None:
        return [tool.definition for tool in shown], varies
    return [{**tool.definition, "name": tool.qualified_name} for tool in shown], varies
