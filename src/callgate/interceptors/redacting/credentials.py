"""Finds keys, tokens and passwords in a text: own forms, kingfisher and redact-secret."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from typing import Any

import re2

from callgate.interceptors.redacting.spans import Span

KIND = "key"

KEYS = "|".join(
    (
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # AWS access key id
        r"\bgh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
        r"\bgithub_pat_[A-Za-z0-9_]{22,}",
        r"\bxox[abeposr]-[A-Za-z0-9\-]{10,}",  # Slack
        r"\bhttps://hooks\.slack\.com/services/T[A-Za-z0-9_]+/B[A-Za-z0-9_]+/[A-Za-z0-9_]{16,}",
        r"\bAIza[0-9A-Za-z_\-]{35}",  # Google
        r"\bGOCSPX-[A-Za-z0-9_\-]{28}",
        r"\bya29\.[A-Za-z0-9_\-]{20,}",
        r"\b[srp]k_(?:live|test)_[0-9A-Za-z]{16,}",  # Stripe
        r"\bwhsec_[A-Za-z0-9+/=]{24,}",
        r"\bsk-[A-Za-z0-9_\-]{20,}",  # OpenAI, Anthropic
        r"\bglpat-[A-Za-z0-9_\-]{20,}",  # GitLab
        r"\bcgk_[A-Za-z0-9_\-]{43}",  # our own
        r"\bnpm_[A-Za-z0-9]{36}",
        r"\bpypi-AgE[A-Za-z0-9_\-]{50,}",
        r"\bSG\.[A-Za-z0-9_\-]{20,24}\.[A-Za-z0-9_\-]{39,50}",  # SendGrid
        r"\bhv[sbr]\.[A-Za-z0-9_\-]{24,}",  # Vault
        r"\bhf_[A-Za-z]{30,}",  # Hugging Face
        r"\bdop_v1_[a-f0-9]{64}",  # DigitalOcean
        r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",  # Shopify
        r"\bdapi[a-f0-9]{32}",  # Databricks
        r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{5,}",  # JWT
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*-----|\z)",
    )
)

_FORMS: Any = re2.compile(KEYS)


class Credentials:
    """Finds secrets. Both engines run in this process and never use the network."""

    def __init__(self) -> None:
        self._kingfisher = kingfisher()
        # Imported where it is first needed: a gateway without `redact` does not load it.
        self._redact_secret = importlib.import_module("redact_secret")

    def find(self, text: str, seconds: float) -> Iterator[Span]:
        """Every secret in a text, also those that only their surroundings tell."""
        yield from self.find_distinct(text, seconds)
        for found in self._redact_secret.scan(text):
            yield Span(found.start, found.end, KIND)

    def find_distinct(self, text: str, seconds: float) -> Iterator[Span]:
        """Only secrets that have a form of their own, for texts that may be chance.

        Raises TimeoutError where it takes longer than `seconds`.
        """
        for match in _FORMS.finditer(text):
            yield Span(match.start(), match.end(), KIND)
        body = text.encode()
        found = [one for one in self._kingfisher.scan(body, timeout=seconds) if one.visible]
        at = _characters(body, len(text))
        for one in sorted(found, key=lambda one: int(one.location["start_offset"])):
            place = one.location
            yield Span(at(place["start_offset"]), at(place["end_offset"]), KIND)


@functools.cache
def kingfisher() -> Any:
    """The one scanner of this process: its rules take a second or more to compile.

    No cache of rules is read or written, and encodings are our own business.
    """
    sdk = importlib.import_module("kingfisher_sdk")
    return sdk.Scanner(sdk.Rules(cache=False), base64=False)


def _characters(body: bytes, length: int) -> Any:
    """Offset in bytes → offset in characters."""
    if len(body) == length:
        return lambda offset: offset
    known = [(0, 0)]

    def at(offset: int) -> int:
        last, characters = known[-1] if known[-1][0] <= offset else (0, 0)
        characters += len(body[last:offset].decode(errors="replace"))
        known.append((offset, characters))
        return characters

    return at
