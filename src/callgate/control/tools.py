"""`/api/v1/tools`: every tool in the catalogue, whoever may call it."""

from __future__ import annotations

from callgate.control.routing import Request, Response
from callgate.control.views import Views


async def listed(_request: Request, views: Views) -> Response:
    """Each tool with its definition, exactly as its target gave it."""
    catalog = views.in_force().catalog
    tools = [
        {
            "target": tool.target,
            "name": tool.name,
            "qualified_name": tool.qualified_name,
            "sha256": tool.digest,
            "definition": tool.definition,
        }
        for tool in catalog.tools()
    ]
    return Response.json({"version": catalog.version, "tools": tools})
