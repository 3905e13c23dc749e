"""The way to one gRPC server: its channel, TLS, deadlines, and what its faults mean."""

from __future__ import annotations

from typing import Any

from callgate.interceptors.grpc_messages import load_module
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.interceptors.pem import certificates, content

MAX_TOLD_CHARACTERS = 200
OPTIONS = (
    ("grpc.enable_retries", 0),  # asked once: a server may count what it is asked
    ("grpc.use_local_subchannel_pool", 1),  # a reload begins anew
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),  # the default is two minutes of refusals
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
MEANINGS = {
    "UNAVAILABLE": "cannot be reached",
    "UNIMPLEMENTED": "does not speak this; correct `protocol`",
    "UNAUTHENTICATED": "does not take the gateway's credentials; correct `metadata`",
    "PERMISSION_DENIED": "turned the gateway away",
    "RESOURCE_EXHAUSTED": "is overloaded, or a message is too large",
}


class GrpcError(Exception):
    """A gRPC server failed, or answered what cannot be; the message says how."""


class Channel:
    """One server. The channel opens with the first call, and reconnects by itself."""

    def __init__(self, settings: GrpcSettings, timeout_seconds: float) -> None:
        """Raises InterceptorError: the extra is missing, or a file cannot be used."""
        self._grpc = load_module("grpc.aio")
        self._address = settings.address
        self._seconds = timeout_seconds
        self._most = settings.max_request_bytes
        self._metadata = tuple(
            (name, value.get_secret_value()) for name, value in settings.metadata.items()
        )
        self._options = (
            *OPTIONS,
            ("grpc.max_send_message_length", settings.max_request_bytes),
            ("grpc.max_receive_message_length", settings.max_response_bytes),
            ("grpc.enable_http_proxy", int(not settings.is_local)),
        )
        self._credentials = _credentials(settings) if settings.is_secure else None
        self._channel: Any = None

    async def ask(self, path: str, body: bytes, trace: str | None) -> bytes:
        """One call, once. Raises GrpcError, TimeoutError. Cancelled: the server is told."""
        if len(body) > self._most:
            raise GrpcError(f"a message of {len(body)} bytes is more than `max_request_bytes`")
        if self._channel is None:
            self._channel = self._open()
        metadata = self._metadata if trace is None else (*self._metadata, ("traceparent", trace))
        try:
            call = self._channel.unary_unary(path)
            answer: bytes = await call(body, timeout=self._seconds, metadata=metadata)
        except self._grpc.AioRpcError as error:
            raise self._fault(error) from None
        return answer

    def _open(self) -> Any:
        """In the loop that asks: a channel belongs to one."""
        if self._credentials is None:
            return self._grpc.insecure_channel(self._address, options=self._options)
        return self._grpc.secure_channel(self._address, self._credentials, options=self._options)

    def _fault(self, error: Any) -> Exception:
        code = error.code().name
        details = str(error.details() or "")[:MAX_TOLD_CHARACTERS]
        if code == "DEADLINE_EXCEEDED":
            return TimeoutError(f"{self._address} did not answer within {self._seconds:g} s")
        meaning = MEANINGS.get(code, "failed")
        return GrpcError(f"{self._address} {meaning} ({code}: {details})")

    async def close(self) -> None:
        """Ends it; calls in flight are cancelled."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


def _credentials(settings: GrpcSettings) -> Any:
    roots = certificates(settings.authority) if settings.authority else None
    chain = certificates(settings.certificate) if settings.certificate else None
    key = content(settings.key) if settings.key else None
    return load_module("grpc").ssl_channel_credentials(roots, key, chain)
