"""Every kind of interceptor: its key in callgate.yaml, and how one is made of its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callgate.interceptors.enrich import Enrich
from callgate.interceptors.exfiltration import Exfiltration
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.interceptors.guard_path import GuardPath
from callgate.interceptors.guard_shell import load_guard as load_shell_guard
from callgate.interceptors.guard_sql import load_guard as load_sql_guard
from callgate.interceptors.guard_url import GuardUrl
from callgate.interceptors.injection import Injection
from callgate.interceptors.lambda_settings import LambdaSettings
from callgate.interceptors.mcp_settings import McpSettings
from callgate.interceptors.python_hook import load_hook
from callgate.interceptors.redact import Redactor
from callgate.interceptors.schema import load_schema
from callgate.interceptors.size import load_size
from callgate.interceptors.webhook import Webhook
from callgate.model import Json, Value
from callgate.ports import Clock, Connector
from callgate.scrutiny import Interceptor


class Place(Value):
    """Where an interceptor stands."""

    name: str
    directory: Path  # of callgate.yaml: where relative paths start
    clock: Clock
    points: frozenset[str] = frozenset()  # at which it is asked, as `on` has them
    timeout_seconds: float = 5.0
    connect: Callable[[dict[str, Json]], Connector] | None = (
        None  # the way to a server of its own, which agents never see
    )
    before: Interceptor | None = None  # the one of this name that a reload replaces


__all__ = ["KINDS", "InterceptorError", "Place"]

Make = Callable[[Any, Place], Interceptor]

# What needs a protocol of its own is imported where it is configured, before there are calls.


def _lambda(settings: LambdaSettings, place: Place) -> Interceptor:
    from callgate.interceptors.lambda_handler import Terms, load_lambda  # noqa: PLC0415 - above

    terms = Terms(place.points, place.timeout_seconds, place.clock.ticks)
    return load_lambda(settings, place.directory, terms)


def _grpc(settings: GrpcSettings, place: Place) -> Interceptor:
    from callgate.interceptors.grpc_server import GrpcServer, GrpcTerms  # noqa: PLC0415 - above

    terms = GrpcTerms(place.directory, place.clock, place.points, place.timeout_seconds)
    return GrpcServer(settings, terms)


def _mcp(settings: McpSettings, place: Place) -> Interceptor:
    from callgate.interceptors.mcp_server import McpServer, McpTerms  # noqa: PLC0415 - above

    terms = McpTerms(place.name, place.clock, place.points, place.timeout_seconds, place.connect)
    return McpServer(settings, terms)


KINDS: Mapping[str, Make] = {
    "python": lambda reference, place: load_hook(reference, place.directory),
    "redact": lambda settings, place: Redactor(
        settings, place.directory, place.clock, place.before
    ),
    "lambda": _lambda,
    "webhook": lambda settings, place: Webhook(
        settings, place.name, place.clock, place.timeout_seconds
    ),
    "grpc": _grpc,
    "mcp": _mcp,
    "guard_sql": lambda settings, place: load_sql_guard(settings),
    "guard_shell": lambda settings, place: load_shell_guard(settings),
    "guard_path": lambda settings, place: GuardPath(settings),
    "guard_url": lambda settings, place: GuardUrl(settings),
    "size": lambda settings, place: load_size(settings, place.points),
    "schema": lambda settings, place: load_schema(settings, place.points),
    "exfiltration": lambda settings, place: Exfiltration(settings, place.clock.ticks, place.before),
    "injection": lambda settings, place: Injection(settings, place.directory),
    "enrich": lambda settings, place: Enrich(settings, place.clock),
}
"""The key of each kind, as `InterceptorSettings` has it → what makes one. One line a kind."""
