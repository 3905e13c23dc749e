"""`/api/v1/targets`: which targets there are, and how each stands."""

from __future__ import annotations

from callgate.control.routing import Request, Response
from callgate.control.views import Views


async def listed(_request: Request, views: Views) -> Response:
    """Every target's TargetStatus, in the order of the configuration."""
    return Response.json({"targets": views.targets()})
