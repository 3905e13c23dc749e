"""The `witnesses:` block of callgate.yaml: who, besides us, keeps how far the record has come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from callgate.audit.keys import COSIGNATURE, VerifierKey
from callgate.closed_client import check_place
from callgate.settings import Settings

WitnessName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
]


def _of_a_witness(text: str) -> str:
    if VerifierKey.parse(text).algorithm != COSIGNATURE:
        raise ValueError("is the key of a log; that of a witness has type 4")
    return text


Url = Annotated[str, AfterValidator(check_place)]
WitnessKey = Annotated[str, AfterValidator(_of_a_witness)]


class WebhookSettings(Settings):
    """A URL that every checkpoint is posted to, as text."""

    url: Url
    """Where to: https, or http on this machine."""

    headers: dict[str, SecretStr] = {}
    """Headers to send, such as `Authorization`, by reference."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, said: Any) -> Any:
        return {"url": said} if isinstance(said, str) else said


class WitnessSettings(Settings):
    """One witness: exactly one of the kinds."""

    KINDS: ClassVar[tuple[str, ...]] = ("file", "webhook", "tlog")

    name: WitnessName
    """What the log and the metrics call it."""

    file: Path | None = None
    """A file that every checkpoint is added to: on another machine's disk, or one that can only be
    appended to."""

    webhook: WebhookSettings | None = None
    """A URL that every checkpoint is posted to; `url` and `headers`, or the URL alone."""

    tlog: Url | None = None
    """A witness that speaks C2SP tlog-witness, such as another Callgate: the URL that
    `/add-checkpoint` is appended to. Needs `key`."""

    key: WitnessKey | None = None
    """Its public key. What it answers is held against that, and kept with the checkpoint."""

    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    """How long it may take to answer. No call ever waits for it."""

    @model_validator(mode="after")
    def _is_one_of_a_kind(self) -> Self:
        if len([kind for kind in self.KINDS if getattr(self, kind) is not None]) != 1:
            raise ValueError(f"name exactly one of {', '.join(f'`{one}`' for one in self.KINDS)}")
        if self.tlog is not None and self.key is None:
            raise ValueError("`tlog` needs the `key` of the witness")
        if self.key is not None and self.tlog is None and self.webhook is None:
            raise ValueError("`key` is for `tlog` and `webhook`: nothing else answers")
        return self


class WitnessesSettings(Settings):
    """Who keeps how far the record has come. Calls never wait for them."""

    every_seconds: float = Field(default=10.0, gt=0, le=86_400)
    """How often, at most, they are shown the newest checkpoint."""

    quorum: int | None = Field(default=None, ge=1)
    """How many of those with a `key` must have signed for `callgate audit verify`. All, where left
    out."""

    @staticmethod
    def differ(names: list[str]) -> None:
        """Raises ValueError where two have one name."""
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two have the name {name}; rename one")
