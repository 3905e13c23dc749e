"""`/api/v1/record`: how those are doing that the record goes to besides: witnesses and exports."""

from __future__ import annotations

from callgate.control.routing import Request, Response
from callgate.control.views import Views


async def shown(_request: Request, views: Views) -> Response:
    """`witnesses` and `exports`, each with how far it is and what is wrong."""
    return Response.json(views.beside())
