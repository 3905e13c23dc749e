"""The settings of the redactor: what to find, what to do with it, where."""

from __future__ import annotations

from typing import Literal, Self

import re2
from pydantic import Field, SecretStr, field_validator, model_validator

from callgate.interceptors.redacting.paths import Path, PathError
from callgate.settings import Settings

Kind = Literal["email", "card", "iban", "key", "phone", "ip", "national_id"]
Mode = Literal["mask", "hash", "tokenise", "drop", "refuse", "leave"]

FIELD = "field"
"""The kind of a whole field that a rule names."""


class RuleSettings(Settings):
    """What to do with some of what is found. The first rule that fits decides."""

    kinds: frozenset[str] | None = None
    """Only these kinds, own ones among them; every kind where left out."""

    paths: tuple[str, ...] | None = None
    """Only at or under these places: `customer.email`, `content.*.text.items[0]`, `$..iban`. A
    path goes on into strings that hold JSON. A rule with paths and without kinds takes the whole
    field, whatever it holds."""

    tools: frozenset[str] | None = None
    """Only calls of these tools, as `<target>___<tool>`."""

    mode: Mode
    """What to do."""

    @field_validator("paths")
    @classmethod
    def _reads(cls, paths: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for path in paths or ():
            try:
                Path.parse(path)
            except PathError as error:
                raise ValueError(str(error)) from None
        return paths

    @property
    def is_of_fields(self) -> bool:
        """Whether it takes whole fields."""
        return self.paths is not None and self.kinds is None


class TokenSettings(Settings):
    """How long tokens are good for, and how many there are. They live in this process only."""

    seconds: int = Field(default=3600, ge=1, le=7 * 86_400)
    """How long a token can be restored after it was last given out."""

    most: int = Field(default=10_000, ge=1, le=1_000_000)
    """How many are kept; the oldest go first."""

    most_per_principal: int = Field(default=2_000, ge=1, le=1_000_000)
    """How many are kept for one principal."""


class RedactSettings(Settings):
    """What to find, and what becomes of it."""

    find: tuple[Kind, ...] = Field(default=("email", "card", "iban", "key"))
    """The built-in kinds to look for."""

    patterns: dict[str, str] = {}
    """Own kinds: name → RE2 regular expression (linear time, so no input can stall it)."""

    keep: tuple[str, ...] = ()
    """Exact texts to leave alone, such as a public support address."""

    mode: Mode = "mask"
    """What to do with what no rule speaks of: `mask` → `[redacted:<kind>]`; `hash` → a keyed
    digest, the same for the same text; `tokenise` → a token that becomes the text again when the
    same principal sends it; `drop` the field; `refuse` the call; `leave` it."""

    rules: tuple[RuleSettings, ...] = ()
    """What to do with some of it. The first rule that fits decides."""

    key: SecretStr | None = Field(default=None, min_length=16)
    """The key of `hash`, at least 16 characters: `${env:REDACT_KEY}`. Where left out, one is made
    and kept in `.callgate/redact.key` beside callgate.yaml."""

    tokens: TokenSettings = TokenSettings()
    """The bounds of `tokenise`."""

    decode_depth: int = Field(default=4, ge=0, le=8)
    """How many encodings, one in the other, are seen through. What is encoded once more, and is
    still readable, is redacted as `opaque`; 0: nothing is decoded."""

    max_unpacked_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024)
    """How much may come out of the compressed data in one value; what is more is redacted as
    `opaque`."""

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise ValueError(f"{name}: not an RE2 expression: {error}") from None
        return patterns

    @model_validator(mode="after")
    def _kinds_exist(self) -> Self:
        known = self.kinds
        for rule in self.rules:
            unknown = sorted((rule.kinds or frozenset()) - known)
            if unknown:
                raise ValueError(f"`rules`: no kind is named {unknown[0]}; add it to `find`")
        return self

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind that can be found."""
        return frozenset({*self.find, *self.patterns, "opaque"})

    def uses(self, mode: Mode) -> bool:
        """Whether anything is done in this way."""
        return mode in {self.mode, *(rule.mode for rule in self.rules)}
