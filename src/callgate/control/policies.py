"""`/api/v1/policies`: the policy set that decides now."""

from __future__ import annotations

from callgate.control.routing import Request, Response
from callgate.control.views import Views


async def listed(_request: Request, views: Views) -> Response:
    """Each policy with its text; `version` is what verdicts name."""
    engine = views.in_force().engine
    policies = [
        {
            "id": policy.id,
            "source": policy.source,
            "effect": policy.effect,
            "text": policy.text,
            "advice": policy.advice,
        }
        for policy in engine.policies
    ]
    return Response.json({"version": engine.version, "policies": policies})
