"""The operator's listener as an ASGI application: who may ask, and what answers."""

from __future__ import annotations

import hashlib
import hmac
import logging

from callgate.asgi import Receive, Scope, Send
from callgate.audit.submissions import MAX_SUBMISSION_BYTES, PATH
from callgate.control import (
    calls,
    config,
    erasures,
    health,
    metrics,
    policies,
    record,
    runs,
    targets,
    tools,
    witness,
)
from callgate.control.authzen import endpoints as authzen
from callgate.control.logins import NO_TOKEN, UNKNOWN_TOKEN
from callgate.control.problems import Problem
from callgate.control.routing import (
    LOCAL,
    Gone,
    Request,
    Response,
    Route,
    find,
)
from callgate.control.settings import ControlListenerSettings
from callgate.control.views import Views
from callgate.protocol.origins import Guard, is_loopback

_log = logging.getLogger("callgate.control")

ROUTES = (
    Route("GET", "/healthz", health.alive, is_open=True),
    Route("GET", "/readyz", health.ready, is_open=True),
    Route("GET", "/metrics", metrics.metrics),
    Route("GET", "/api/v1/calls", calls.listed),
    Route("GET", "/api/v1/calls/live", calls.live),
    Route("GET", "/api/v1/calls/{id}", calls.one),
    Route("GET", "/api/v1/runs", runs.listed),
    Route("GET", "/api/v1/runs/{id}", runs.one),
    Route("POST", "/api/v1/runs/{id}/verdicts", runs.judge),
    Route("GET", "/api/v1/record", record.shown),
    Route("GET", "/api/v1/holds", erasures.holds),
    Route("POST", "/api/v1/holds", erasures.place),
    Route("POST", "/api/v1/holds/{id}/release", erasures.release),
    Route("POST", "/api/v1/erasures", erasures.erase),
    Route("GET", "/api/v1/targets", targets.listed),
    Route("GET", "/api/v1/tools", tools.listed),
    Route("GET", "/api/v1/policies", policies.listed),
    Route("GET", "/api/v1/policies/versions", policies.versions),
    Route("GET", "/api/v1/policies/versions/{n}", policies.version),
    Route("GET", "/api/v1/policies/versions/{a}/diff/{b}", policies.diff),
    Route("POST", "/api/v1/policies/rollback", policies.rollback),
    Route("POST", "/api/v1/policies/promote", policies.promote),
    Route("GET", "/api/v1/policies/{id}", policies.one),
    Route("PUT", "/api/v1/policies/{id}", policies.put),
    Route("DELETE", "/api/v1/policies/{id}", policies.delete),
    Route("GET", "/api/v1/config", config.shown),
    Route("POST", "/api/v1/reload", config.reloaded),
    Route("POST", PATH, witness.add_checkpoint, is_open=True, max_body_bytes=MAX_SUBMISSION_BYTES),
    Route("GET", "/.well-known/authzen-configuration", authzen.metadata, is_open=True),
    Route("POST", "/access/v1/evaluation", authzen.evaluation, is_question=True),
    Route("POST", "/access/v1/evaluations", authzen.evaluations, is_question=True),
    Route("POST", "/access/v1/search/subject", authzen.search_subject, is_question=True),
    Route("POST", "/access/v1/search/resource", authzen.search_resource, is_question=True),
    Route("POST", "/access/v1/search/action", authzen.search_action, is_question=True),
)
REQUEST_ID = "x-request-id"


class ControlEndpoint:
    """The ASGI application. Host and Origin are checked on every path, the token on most."""

    def __init__(self, views: Views, settings: ControlListenerSettings) -> None:
        self._views = views
        # No page is trusted for being local: whatever runs in a browser here is not the operator.
        self._guard = Guard.of(
            allowed_hosts=settings.allowed_hosts,
            allowed_origins=settings.allowed_origins,
            is_loopback=is_loopback(settings.host),
            admits_local_pages=False,
        )
        self._digests = {
            _digest(token.get_secret_value()): name for name, token in settings.tokens().items()
        }
        self._readers = frozenset(settings.readers)
        self._public_url = settings.public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        request = Request.of(scope, self._public_url)
        try:
            response = await self._answer(request, receive)
        except Gone:
            return
        if (request_id := request.header(REQUEST_ID)) is not None:
            response = response.under((REQUEST_ID, request_id))
        await response.send(send, is_head=request.method == "HEAD")

    async def _answer(self, request: Request, receive: Receive) -> Response:
        try:
            route, request = self._routed(request)
            if request.method not in ("GET", "HEAD"):
                request = await request.with_body(receive, route.max_body_bytes)
            return await route.endpoint(request, self._views)
        except Gone:
            raise
        except Problem as problem:
            return Response.problem(problem)
        except Exception:  # noqa: BLE001 - one failing page must not take the others along
            _log.exception("%s %s failed", request.method, request.path[:200])
            return Response.problem(Problem(500, "The gateway failed on this; its log says why."))

    def _routed(self, request: Request) -> tuple[Route, Request]:
        """What answers, and the request with who asks. Raises Problem."""
        self._admit(request)
        try:
            route, parts = find(ROUTES, request.method, request.path)
        except Problem:
            self._authenticate(request)  # which paths there are is for operators, too
            raise
        if route.is_open:
            return route, request.at(parts)
        operator = self._authenticate(request)
        if operator in self._readers and route.changes:
            raise Problem(403, f"The token of {operator} may read and ask, not change anything.")
        return route, request.at(parts, operator)

    def _admit(self, request: Request) -> None:
        if not self._guard.may_reach(request.headers.get("host", ())):
            raise Problem(
                421, "This Host is not served; add it to `listeners.control.allowed_hosts`."
            )
        if not self._guard.may_originate(request.headers.get("origin", ())):
            raise Problem(
                403, "This Origin is not allowed; see `listeners.control.allowed_origins`."
            )

    def _authenticate(self, request: Request) -> str:
        """The name of who asks. Raises Problem."""
        operator = self._operator(request)
        self._views.logins.succeeded(operator, request.address)
        return operator

    def _operator(self, request: Request) -> str:
        if not self._digests:
            return LOCAL  # loopback only: the settings see to that
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        given = _digest(token.strip())
        # Digests, so that neither the bytes nor the length can be found out by timing; and all of
        # them are compared, so that the place in the list cannot either.
        found = [
            name for digest, name in self._digests.items() if hmac.compare_digest(given, digest)
        ]
        if scheme.lower() != "bearer" or not found:
            self._views.logins.failed(request.address, UNKNOWN_TOKEN if token else NO_TOKEN)
            raise Problem(
                401,
                "Send the control token as `Authorization: Bearer <token>`.",
                headers=(("www-authenticate", 'Bearer realm="callgate control"'),),
            )
        return found[0]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
