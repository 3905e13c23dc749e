"""The built-in redactor: e-mail addresses, card numbers and keys in arguments and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import re2
from pydantic import Field, field_validator
from stdnum import luhn

from callgate.model import Json
from callgate.scrutiny import Decision, Message, Passive, Request, Result
from callgate.settings import Settings

Kind = Literal["email", "card", "key"]

PATTERNS: dict[str, str] = {
    "email": r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}",
    "card": r"\b\d(?:[ \-]?\d){12,18}\b",
    "key": "|".join(
        (
            r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # AWS access key id
            r"\bgh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
            r"\bgithub_pat_[A-Za-z0-9_]{22,}",
            r"\bxox[abposr]-[A-Za-z0-9\-]{10,}",  # Slack
            r"\bAIza[0-9A-Za-z_\-]{35}",  # Google
            r"\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,}",  # Stripe
            r"\bsk-[A-Za-z0-9_\-]{20,}",  # OpenAI, Anthropic
            r"\bglpat-[A-Za-z0-9_\-]{20,}",  # GitLab
            r"\bcgk_[A-Za-z0-9_\-]{43}",  # our own
            r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{5,}",  # JWT
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*-----|\z)",
        )
    ),
}


class RedactSettings(Settings):
    """What to find. Each hit becomes `[redacted:<kind>]`."""

    find: tuple[Kind, ...] = Field(default=("email", "card", "key"))
    """The built-in kinds to look for."""

    patterns: dict[str, str] = {}
    """Own kinds: name → RE2 regular expression (linear time, so no input can stall it)."""

    keep: tuple[str, ...] = ()
    """Exact texts to leave alone, such as a public support address."""

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise ValueError(f"{name}: not an RE2 expression: {error}") from None
        return patterns


class Redactor(Passive):
    """Replaces what it finds in every string, key and number of a JSON value. Keeps no state."""

    def __init__(self, settings: RedactSettings) -> None:
        chosen = {kind: PATTERNS[kind] for kind in settings.find} | settings.patterns
        self._patterns = [(kind, re2.compile(pattern)) for kind, pattern in chosen.items()]
        self._keep = frozenset(settings.keep)
        # One pass over raw bytes tells that there is certainly nothing. Own patterns may be
        # anchored to a string's ends, which raw JSON does not show, so they always get a full look.
        together = "|".join(f"(?:{PATTERNS[kind]})" for kind in settings.find)
        self._screen = re2.compile(together.encode()) if not settings.patterns else None

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor."""
        arguments, found = self.redact(request.arguments)
        return Decision(arguments=arguments, note=_note(found)) if found else None

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor."""
        redacted, found = self.redact(result.result)
        return Decision(result=redacted, note=_note(found)) if found else None

    async def on_message(self, message: Message) -> Decision | None:
        """See scrutiny.Interceptor."""
        redacted, found = self.redact(message.params)
        return Decision(params=redacted, note=_note(found)) if found else None

    def may_skip(self, body: bytes) -> bool:
        """See scrutiny.Interceptor. Bytes with an escape may spell anything, so they are read."""
        return self._screen is not None and b"\\" not in body and not self._screen.search(body)

    def redact(self, value: Json) -> tuple[Json, dict[str, int]]:
        """The value with every hit replaced, and how many hits there were of each kind."""
        found: dict[str, int] = {}
        return self._walk(value, found), found

    def _walk(self, value: Json, found: dict[str, int]) -> Json:
        if isinstance(value, str):
            return self._text(value, found)
        if isinstance(value, dict):
            return {self._text(k, found): self._walk(v, found) for k, v in value.items()}
        if isinstance(value, list):
            return [self._walk(item, found) for item in value]
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**12:
            text = self._text(str(value), found)
            return value if text == str(value) else text
        return value

    def _text(self, text: str, found: dict[str, int]) -> str:
        for kind, pattern in self._patterns:
            text = pattern.sub(self._replacing(kind, found), text)
        return text

    def _replacing(self, kind: str, found: dict[str, int]) -> Callable[[Any], str]:
        def replace(match: Any) -> str:  # re2 has no types
            hit: str = match.group(0)
            if hit in self._keep or (kind == "card" and not luhn.is_valid(_digits(hit))):
                return hit
            found[kind] = found.get(kind, 0) + 1
            return f"[redacted:{kind}]"

        return replace


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _note(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
