"""A gRPC server that decides: `grpc:` speaks Envoy's ext_authz or agentgateway's ExtMcp with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.grpc_authz import ExtAuthz
from callgate.interceptors.grpc_channel import Channel
from callgate.interceptors.grpc_ext_mcp import ExtMcp
from callgate.interceptors.grpc_messages import messages
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.ports import Clock
from callgate.scrutiny import Asked, Listed, Passive, Request, Result, View

SEES = {
    "ext_authz": frozenset({"request"}),
    "ext_mcp": frozenset({"request", "result", "error", "list"}),
}


@dataclass(frozen=True, slots=True)
class GrpcTerms:
    """Where the interceptor stands."""

    directory: Path  # of callgate.yaml
    clock: Clock
    points: frozenset[str]
    timeout_seconds: float


class GrpcServer(Passive):
    """Asks about every view once. Keeps a channel, and nothing else."""

    def __init__(self, settings: GrpcSettings, terms: GrpcTerms) -> None:
        """Raises InterceptorError."""
        blind = sorted(terms.points - SEES[settings.protocol])
        if blind:
            raise InterceptorError(
                f"`{settings.protocol}` has no way to ask about a {blind[0]}; take it out of `on`"
            )
        messages()
        self._channel = Channel(settings.placed(terms.directory), terms.timeout_seconds)
        self._authz = ExtAuthz(settings, self._channel, terms.clock)
        self._ext_mcp = ExtMcp(settings, self._channel)
        self._is_authz = settings.protocol == "ext_authz"

    def on_request(self, request: Request) -> Asked:
        """See scrutiny.Interceptor."""
        if self._is_authz:
            return self._authz.ask(request, _trace_of(request))
        return self._ask(request)

    def on_result(self, result: Result) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(result)

    def on_list(self, listed: Listed) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(listed)

    def _ask(self, view: Request | Result | Listed) -> Asked:
        return self._ext_mcp.ask(view, _trace_of(view))

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        await self._channel.close()


def _trace_of(view: View) -> str | None:
    """The trace context that goes with the call; only what may stand in a header."""
    parent = view.meta.get("traceparent")
    is_fit = isinstance(parent, str) and parent.isascii() and parent.isprintable()
    return parent if is_fit else None
