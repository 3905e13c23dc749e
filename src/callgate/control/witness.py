"""Being a witness, over HTTP: `POST /add-checkpoint`, open to all, for known logs only."""

from __future__ import annotations

import asyncio

from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import Views
from callgate.ports import StoreError


async def add_checkpoint(request: Request, views: Views) -> Response:
    """Nobody needs a token: what is signed for whom, the signature on the checkpoint says."""
    if views.countersigner is None:
        raise Problem(404, "This gateway is no witness; see `listeners.control.witness`.")
    try:
        reply = await asyncio.to_thread(views.countersigner.submit, request.body)
    except StoreError as error:
        raise Problem(503, f"Nothing is signed, since it cannot be kept: {error}") from None
    return Response(reply.body.encode(), reply.status, reply.media_type)
