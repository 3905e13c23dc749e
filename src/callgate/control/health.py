"""`/healthz`: the process lives. `/readyz`: it can take calls."""

from __future__ import annotations

from callgate.control.routing import Request, Response
from callgate.control.views import Views


async def alive(_request: Request, _views: Views) -> Response:
    """Always 200: whatever is wrong, a restart would not mend it."""
    return Response.json({"status": "alive"})


async def ready(_request: Request, views: Views) -> Response:
    """200 where calls can be taken, else 503 with the parts that are not ready.

    A target that is down is listed and changes nothing: its calls are refused with a reason, the
    others go on. Only where all are down is this gateway not ready: no call can succeed here, and a
    rolling update should stop rather than go on. Without any target it is ready. Open to anybody
    who can connect, so it says names, never details.
    """
    gateway = views.gateway()
    targets = views.targets()
    down = [target.name for target in targets if not target.is_ready]
    parts = {
        "policies": gateway is not None,
        "record": gateway is not None and gateway.store.is_healthy,
        "targets": not targets or len(down) < len(targets),
        "running": not views.is_stopping(),
    }
    not_ready = [part for part, is_ready in parts.items() if not is_ready]
    return Response.json(
        {"is_ready": not not_ready, "not_ready": not_ready, "targets_down": down},
        503 if not_ready else 200,
    )
