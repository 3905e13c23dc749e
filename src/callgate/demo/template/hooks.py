"""Interceptors in plain Python: the gateway asks them before a call goes on."""

from __future__ import annotations

from callgate.interceptors import Decision, Request

MOST_COMMITS = 3


def cap_history(request: Request) -> Decision | None:
    """An agent that asks for the whole history gets the last commits."""
    asked = request.arguments.get("max_count", 10)  # the tool's own default
    if asked <= MOST_COMMITS:
        return None
    return Decision(
        arguments={**request.arguments, "max_count": MOST_COMMITS},
        note=f"max_count {asked} -> {MOST_COMMITS}",
    )
