"""The `listeners.control:` block of callgate.yaml: where operators connect, and who may."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from callgate.protocol.origins import is_loopback
from callgate.settings import Settings

MIN_TOKEN_CHARACTERS = 32


class ControlListenerSettings(Settings):
    """Where operators connect: health, metrics and the control API."""

    host: str = "127.0.0.1"
    """Address to listen on. Any other than a loopback address needs `token`."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Port to listen on; 0 for a free one."""

    token: SecretStr | None = None
    """What must be sent as `Authorization: Bearer …`, except to `/healthz` and `/readyz`. A
    reference, never the text; at least 32 characters, such as from `openssl rand -hex 32`."""

    allowed_hosts: tuple[str, ...] = ()
    """Names that operators may use for this listener, against DNS rebinding."""

    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may use it, such as `https://ops.example.com`. No others may."""

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if self.token is not None:
            token = self.token.get_secret_value()
            if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
                raise ValueError(
                    f"`token` must have at least {MIN_TOKEN_CHARACTERS} printable ASCII characters"
                )
            if " " in token:
                raise ValueError("`token` must not contain spaces")
        elif not is_loopback(self.host):
            raise ValueError(
                f"`host` {self.host} can be reached from other machines: set `token` to a "
                "reference, such as ${env:CALLGATE_CONTROL_TOKEN}, or listen on 127.0.0.1"
            )
        return self
