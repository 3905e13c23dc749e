"""An HTTP server that decides: `webhook:` posts it signed JSON, and does what it answers."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from callgate.closed_client import Poster, checked_url
from callgate.interceptors.tls import Tls
from callgate.interceptors.webhook_messages import (
    AnswerError,
    decision_of,
    event_of,
    message_of,
)
from callgate.model import Json
from callgate.ports import Clock
from callgate.protocol.jsonrpc import Malformed, encode, parse_json
from callgate.protocol.standard_webhooks import read_key, signature
from callgate.scrutiny import Asked, Decision, Listed, Message, Passive, Request, Result, View
from callgate.settings import Settings

INLINE_BYTES = 64 << 10  # more than this is signed and read in a thread
MAX_DEPTH = 128


class WebhookSettings(Settings):
    """A server that is asked over HTTP, with messages signed as Standard Webhooks has it."""

    url: str
    """Where to post to: https, or http on this machine. Redirects are never followed."""

    secret: SecretStr
    """What messages are signed with, as a reference: `whsec_` and 24 to 64 bytes in base64, such as
    from `echo whsec_$(openssl rand -base64 32)`."""

    previous_secret: SecretStr | None = None
    """While a secret is being replaced: the other one. Messages are signed with both then."""

    certificate: Path | None = None
    """Mutual TLS: the certificate that the gateway shows, in PEM, with what leads to its root."""

    key: Path | None = None
    """The key of `certificate`, in PEM, without a password."""

    authority: Path | None = None
    """Certificates in PEM that are trusted besides those that the system trusts."""

    max_response_bytes: Annotated[int, Field(ge=1024, le=64 << 20)] = 4 << 20
    """The largest answer that is taken."""

    omit: frozenset[Literal["claims", "definition"]] = frozenset()
    """What messages leave out: the claims of the principal, the definition of the tool."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        return checked_url(url)

    @field_validator("secret", "previous_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            read_key(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _whole_identity(self) -> Self:
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("`certificate` and `key` go together")
        if self.certificate is not None and not self.url.startswith("https:"):
            raise ValueError("`certificate` needs an https `url`")
        return self


class Webhook(Passive):
    """Posts every view once, and waits for the decision. Keeps connections, and nothing else."""

    def __init__(
        self, settings: WebhookSettings, name: str, clock: Clock, timeout_seconds: float
    ) -> None:
        self._name = name
        self._clock = clock
        self._omit: frozenset[str] = frozenset(settings.omit)
        chosen = (settings.secret, settings.previous_secret)
        self._keys = [read_key(one.get_secret_value()) for one in chosen if one is not None]
        tls = Tls(certificate=settings.certificate, key=settings.key, authority=settings.authority)
        self._poster = Poster(
            settings.url,
            timeout_seconds,
            max_bytes=settings.max_response_bytes,
            builder=tls.client(settings.url, timeout_seconds),
        )
        # Its own: what others do in the default threads must not hold up a message.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="callgate-webhook")

    def on_request(self, request: Request) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(request)

    def on_result(self, result: Result) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(result)

    def on_message(self, message: Message) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(message)

    def on_list(self, listed: Listed) -> Asked:
        """See scrutiny.Interceptor."""
        return self._ask(listed)

    async def _ask(self, view: View) -> Decision | None:
        event = event_of(view, omit=self._omit)
        message_id, now = f"msg_{secrets.token_hex(16)}", self._clock.now()
        body = encode(message_of(event, message_id, self._name, now))
        loop = asyncio.get_running_loop()
        if len(body) > INLINE_BYTES:
            headers = await loop.run_in_executor(
                self._threads, self._headers, message_id, int(now), body
            )
        else:
            headers = self._headers(message_id, int(now), body)
        answer = await self._poster.post(body, headers)
        if answer.status != 200:
            raise AnswerError(f"it answered HTTP {answer.status}; a decision comes with 200")
        if len(answer.body) > INLINE_BYTES:
            said = await loop.run_in_executor(self._threads, _read, answer.body)
        else:
            said = _read(answer.body)
        return decision_of(said, event["type"], message_id)

    def _headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        signatures = [signature(key, message_id, timestamp, body) for key in self._keys]
        return {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Webhook-Id": message_id,
            "Webhook-Timestamp": str(timestamp),
            "Webhook-Signature": " ".join(signatures),
        }

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        self._threads.shutdown(wait=False)
        await self._poster.close()


def _read(body: bytes) -> Json:
    try:
        return parse_json(body, max_depth=MAX_DEPTH)
    except Malformed as error:
        raise AnswerError(f"its answer is not JSON to rely on: {error.reason}") from None
