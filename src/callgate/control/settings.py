"""The `listeners.control:` block of callgate.yaml: where operators connect, and who may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from callgate.control.witness_settings import ActingSettings
from callgate.protocol.origins import is_loopback
from callgate.settings import Settings

MIN_TOKEN_CHARACTERS = 32
_PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
SHARED = "operator"  # the name of who comes with `token`
RESERVED = frozenset({SHARED, "local"})
OperatorName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$", max_length=64)
]


class ControlListenerSettings(Settings):
    """Where operators connect: health, metrics and the control API."""

    host: str = "127.0.0.1"
    """Address to listen on. Any other than a loopback address needs `token` or `operators`."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Port to listen on; 0 for a free one."""

    token: SecretStr | None = None
    """What must be sent as `Authorization: Bearer …`, except to `/healthz` and `/readyz`. A
    reference, never the text; at least 32 characters, such as from `openssl rand -hex 32`."""

    operators: dict[OperatorName, SecretStr] = {}
    """A token for each operator, by name, so that the log and the versions of policies say who did
    what. As `token`, which may stand beside them; its bearer is called `operator`."""

    readers: dict[OperatorName, SecretStr] = {}
    """Tokens that may read and ask for decisions, and change nothing. As `operators`."""

    allowed_hosts: tuple[str, ...] = ()
    """Names that operators may use for this listener, against DNS rebinding."""

    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may use it, such as `https://ops.example.com`. No others may."""

    public_url: str | None = None
    """Where others reach this listener, such as `https://pdp.example.com`; its AuthZEN metadata say
    so. Without it, they say the address that was asked."""

    witness: ActingSettings | None = None
    """Has this gateway countersign the records of others, at `/add-checkpoint`, which needs no
    token: it answers for known logs only."""

    def tokens(self) -> dict[str, SecretStr]:
        """Every token, by the name of its bearer."""
        shared = {} if self.token is None else {SHARED: self.token}
        return {**shared, **self.operators, **self.readers}

    @field_validator("public_url")
    @classmethod
    def _leads_here(cls, url: str | None) -> str | None:
        if url is not None and not _PUBLIC_URL.fullmatch(url):
            raise ValueError(
                "`public_url` must be such as https://ops.example.com, without query or fragment"
            )
        return url.rstrip("/") if url is not None else None

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        texts: dict[str, str] = {}  # token → where it stands
        for place, token in self._places():
            text = token.get_secret_value()
            _check(place, text)
            if text in texts:
                raise ValueError(f"`{place}` and `{texts[text]}` must not be the same token")
            texts[text] = place
        if not texts and not is_loopback(self.host):
            raise ValueError(
                f"`host` {self.host} can be reached from other machines: set `token` to a "
                "reference, such as ${env:CALLGATE_CONTROL_TOKEN}, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _names_are_clear(self) -> Self:
        for block, names in (("operators", self.operators), ("readers", self.readers)):
            if taken := RESERVED & names.keys():
                raise ValueError(f"`{block}` must not hold the name {min(taken)!r}: it is taken")
        if both := self.operators.keys() & self.readers.keys():
            raise ValueError(f"{min(both)!r} stands in `operators` and in `readers`; keep one")
        return self

    def _places(self) -> Iterator[tuple[str, SecretStr]]:
        if self.token is not None:
            yield "token", self.token
        yield from ((f"operators.{name}", token) for name, token in self.operators.items())
        yield from ((f"readers.{name}", token) for name, token in self.readers.items())


def _check(place: str, token: str) -> None:
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
        raise ValueError(
            f"`{place}` must have at least {MIN_TOKEN_CHARACTERS} printable ASCII characters"
        )
    if " " in token:
        raise ValueError(f"`{place}` must not contain spaces")
