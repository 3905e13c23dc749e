"""`/api/v1/config`, `/api/v1/reload`: the configuration in force, and another in its place."""

from __future__ import annotations

import logging

from callgate.audit.record import rfc3339
from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import ConfigStatus, Views
from callgate.model import Json

_log = logging.getLogger("callgate.control")


async def shown(_request: Request, views: Views) -> Response:
    """Where it came from and when; why the last reload failed, if it did."""
    return Response.json(_described(views.config()))


async def reloaded(_request: Request, views: Views) -> Response:
    """Reads the file again. One that cannot be used changes nothing: 422, with the reasons."""
    _log.info("a reload was asked for over the control API")
    status = await views.reload()
    if status.reload_error is not None:
        raise Problem(422, status.reload_error, config=_described(status))
    return Response.json(_described(status))


def _described(status: ConfigStatus) -> dict[str, Json]:
    return {
        "file": status.file,
        "sha256": status.digest,
        "loaded_at": rfc3339(status.loaded_at),
        "reload_error": status.reload_error,
    }
