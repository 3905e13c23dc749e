"""Finds keys, tokens and passwords in a text: own forms, kingfisher and redact-secret."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from callgate.interceptors.redacting.forms import Form, Reading
from callgate.interceptors.redacting.hints import around
from callgate.interceptors.redacting.spans import SECRET, Span

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
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]*?-----END [A-Z ]*-----",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"\-]*",  # cut off
    )
)

KEY_FORMS = Form(KEYS)

# INVARIANT: whatever a form of ours or a rule of kingfisher finds holds one of these: a run of
# twenty characters, or one of the words. test_screen.py reads it from the forms and the rules.
ENGINE = Form(
    r"[A-Za-z0-9+/_.~=\-\x{80}-\x{10ffff}]{20}|://|@"
    r"|(?i:pass|secret|token|key|curl|flyv1|xox|zxlk|xapp-|[sr]k_(?:test|live|prod)_|dvc_|airtable"
    r"|asana|confluent|discord|dropbox|linked[_\-]?in|sumo)"
)

# What names of secrets stand before in code and prose, and is none: names of types, variables and
# placeholders. A word with a number or two is one only where it is quoted.
_CONTEXTUAL = frozenset({"contextual_secret"})
_WORD = re.compile(r"[A-Za-z_.\-]+[0-9]{0,4}")
_PASSWORD = re.compile(r'(?i)(?:password|passwd|pwd|passphrase|secret)\\?"\s?:\s?\\?"$')
_TYPES = frozenset({"string", "str", "password", "secret", "required", "optional", "none", "null"})
_CODE = re.compile(r"=.*|[A-Za-z_][\w.]*(?:\[\w*\]?|\().*")


class Credentials:
    """Finds secrets. Both engines run in this process and never use the network."""

    def __init__(self) -> None:
        import redact_secret  # noqa: PLC0415 - a gateway without `redact` does not load it

        self._kingfisher = kingfisher()
        self._scan = redact_secret.scan

    def find(self, reading: Reading, seconds: float) -> Iterator[Span]:
        """Every secret in a text, also those that only their surroundings tell."""
        yield from self.find_distinct(reading, seconds)
        for start, end in around(reading):
            for found in self._scan(reading.text[start:end]):
                span = Span(start + found.start, start + found.end, SECRET)
                if found.type not in _CONTEXTUAL or _is_secret(reading.text, span):
                    yield span

    def find_distinct(self, reading: Reading, seconds: float) -> Iterator[Span]:
        """Only secrets that have a form of their own, for texts that may be chance.

        Raises TimeoutError where it takes longer than `seconds`.
        """
        if not ENGINE.is_in(reading):
            return
        for place in KEY_FORMS.places(reading):
            yield Span(*place, SECRET)
        found = self._kingfisher.scan(reading.body, timeout=seconds)
        if found:
            places = (one.location for one in found if one.visible)
            ordered = sorted((place["start_offset"], place["end_offset"]) for place in places)
            for place in reading.characters(ordered):
                yield Span(*place, SECRET)


def _is_secret(text: str, span: Span) -> bool:
    """Whether what stands after the name of a secret looks like one."""
    value = text[span.start : span.end]
    is_password = _PASSWORD.search(text[max(0, span.start - 60) : span.start]) is not None
    if is_password:
        return value.lower() not in _TYPES
    if not any(character.isdigit() for character in value) or _CODE.fullmatch(value) is not None:
        return False
    return _WORD.fullmatch(value) is None or text[span.start - 1 : span.start] in ("'", '"')


@functools.cache
def kingfisher() -> Any:
    """The one scanner of this process: its rules take a second or more to compile.

    No cache of rules is read or written, and encodings are our own business.
    """
    import kingfisher_sdk  # noqa: PLC0415 - 60 MB, only for a gateway that redacts

    return kingfisher_sdk.Scanner(kingfisher_sdk.Rules(cache=False), base64=False)
