"""Settings of drafting: which language model turns requirements into policies."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from callgate.protocol.origins import is_loopback
from callgate.settings import Settings


class DraftingSettings(Settings):
    """A language model for `callgate policy draft`. The gateway itself never uses it."""

    url: str
    """Base URL of an OpenAI-compatible API, such as `https://api.openai.com/v1`; requests go to
    `/chat/completions` below it. Redirects are never followed."""
    model: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
    """The model's name there."""
    api_key: SecretStr | None = None
    """Sent as a bearer token. A reference, never the text."""
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    """How long one answer of the model may take."""
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often the model is asked for one thing, errors told, before it is given up."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https URL with a host")
        if not url.isascii() or any(ord(character) <= 0x20 for character in url):
            raise ValueError("must be ASCII without spaces; write hosts in punycode")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not carry credentials; put the key into `api_key`")
        if parts.query or parts.fragment:
            raise ValueError("must end with its path; take `?` and `#` out")
        _ = parts.port  # raises where it is no port
        return url.rstrip("/").removesuffix("/chat/completions")

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key is not None else "x"
        if not text or not text.isascii() or any(not 0x20 < ord(one) < 0x7F for one in text):
            raise ValueError("must be printable ASCII without spaces")
        return key

    @model_validator(mode="after")
    def _keeps_its_key_to_itself(self) -> Self:
        parts = urlsplit(self.url)
        is_open = parts.scheme == "http" and not is_loopback(parts.hostname or "")
        if self.api_key is not None and is_open:
            raise ValueError("would send `api_key` in the clear; use an https `url`")
        return self
