"""`/metrics`: what Prometheus scrapes; docs/metrics.md says what it means."""

from __future__ import annotations

from callgate.control.routing import Request, Response
from callgate.control.views import Views


async def metrics(request: Request, views: Views) -> Response:
    """OpenMetrics where `Accept` lists it, else the Prometheus text format."""
    body, media_type = await views.metrics(request.header("accept"))
    return Response(body, media_type=media_type)
