"""Envoy's external authorization (ext_authz): a call as the HTTP request that an agent makes."""

from __future__ import annotations

from typing import Any

from callgate.interceptors.grpc_channel import Channel, GrpcError
from callgate.interceptors.grpc_messages import CHECK, fill, messages
from callgate.interceptors.grpc_metadata import (
    facts_and_labels,
    headers_of,
    parsed,
    reason_of,
    told_of,
)
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.interceptors.mcp_payloads import matter_of
from callgate.ports import Clock
from callgate.protocol.jsonrpc import encode
from callgate.protocol.outbound import modern_headers
from callgate.scrutiny import Decision, Request

# Where Envoy's own JWT filter leaves claims, in the words of OPA's documentation.
CLAIMS_FILTER, CLAIMS_KEY = "envoy.filters.http.jwt_authn", "verified_jwt"
FILTER = "callgate"
OK = 0  # google.rpc.Code


class ExtAuthz:
    """Asks about requests: may it go on, with which headers."""

    def __init__(self, settings: GrpcSettings, channel: Channel, clock: Clock) -> None:
        self._settings = settings
        self._channel = channel
        self._clock = clock

    async def ask(self, request: Request, trace: str | None) -> Decision | None:
        """Raises GrpcError, TimeoutError."""
        body = self._question(request).SerializeToString()
        answer = await self._channel.ask(CHECK, body, trace)
        return self._decision(parsed(messages()["CheckResponse"], answer))

    def _question(self, request: Request) -> Any:
        question = messages()["CheckRequest"]()
        attributes = question.attributes
        principal, tool = request.principal, request.tool
        attributes.source.principal = principal.id
        attributes.source.service = principal.agent or ""
        labels = {"issuer": principal.issuer, "kind": principal.kind}
        if principal.tenant is not None:
            labels["tenant"] = principal.tenant
        attributes.source.labels.update(labels)
        attributes.context_extensions.update({"target": tool.target, "tool": tool.name})
        told = told_of(request, omit=frozenset(self._settings.omit))
        fill(attributes.metadata_context.filter_metadata[FILTER], told)
        claims = told["principal"].get("claims")
        if claims is not None:
            fill(attributes.metadata_context.filter_metadata[CLAIMS_FILTER], {CLAIMS_KEY: claims})
        now = self._clock.now()
        attributes.request.time.seconds = int(now)
        attributes.request.time.nanos = int(now % 1 * 1e9)
        self._fill_http(attributes.request.http, request)
        return question

    def _fill_http(self, http: Any, request: Request) -> None:
        tool = request.tool
        message = matter_of(request, is_bare=False).payload
        body = encode({"jsonrpc": "2.0", "id": request.call_id, **message})
        named = message["params"].get("name") or message["params"].get("uri")
        routing = modern_headers(tool.method, named if isinstance(named, str) else None)
        http.id = request.call_id
        http.method = "POST"
        http.path = f"/mcp/{tool.target}"
        http.scheme = "http"
        http.protocol = "HTTP/1.1"
        http.size = len(body)
        http.body = body.decode()
        http.headers.update(request.headers)
        http.headers.update({name.lower(): value for name, value in routing})
        http.headers["content-type"] = "application/json"
        http.headers["content-length"] = str(len(body))

    def _decision(self, response: Any) -> Decision | None:
        chosen = response.WhichOneof("http_response")
        if chosen is None and not response.HasField("status"):
            # Envoy reads this as a yes; an answer that says nothing is no decision here.
            raise GrpcError("its answer holds neither a status nor a response")
        if chosen == "error_response":
            told = reason_of(response.error_response.body, otherwise="it does not say which")
            raise GrpcError(f"it answers with an error of its own: {told}")
        # INVARIANT: any sign of a no is one.
        if chosen == "denied_response" or response.status.code != OK:
            denied, status = response.denied_response, response.status
            told = f" (HTTP {denied.status.code})" if denied.status.code else ""
            return Decision(
                refuse=reason_of(
                    denied.body, status.message, otherwise="The authorization server says no."
                ),
                note=f"denied, status {status.code}{told}",
            )
        headers = headers_of([one.header for one in response.ok_response.headers])
        wanted = facts_and_labels(response.dynamic_metadata, self._settings) or facts_and_labels(
            response.ok_response.dynamic_metadata, self._settings
        )
        if headers:
            wanted["headers"] = headers
        return Decision(**wanted) if wanted else None
