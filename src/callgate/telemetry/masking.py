"""Keeps credentials and forged lines out of the log, whatever text somebody logs."""

from __future__ import annotations

import re

from callgate.audit.explain import printable

MASK = "***"

_NAMES = r"(?:proxy-)?authorization|(?:set-)?cookie|x-api-key"
_FIELDS = r"(?:access|refresh|id)_token|client_secret|password|api_key"
_TOKEN = r"[A-Za-z0-9._~+/=-]"  # noqa: S105 - a character class (RFC 6750 §2.1)
_QUOTE = r"""\\*["']"""  # as it is, or in a text that was quoted before
_PATTERNS = (
    # A header: `Authorization: Basic x`, `"authorization": "x"`, `(b'authorization', b'x')`.
    (
        re.compile(
            rf"""((?:{_NAMES})(?:{_QUOTE}?\s*[:=]\s*|{_QUOTE}\s*,\s*)(?:b?{_QUOTE})?)(?=[^\s"'\\])[^"'\\\r\n]+""",
            re.I,
        ),
        rf"\1{MASK}",
    ),
    # A scheme and what looks like a credential; "a bearer token" does not.
    (
        re.compile(
            rf"\b(bearer|basic|dpop)(\s+)(?={_TOKEN}*(?:[0-9_~+/=-]|\.\w)|{_TOKEN}{{20}}){_TOKEN}+",
            re.I,
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"cgk_[A-Za-z0-9_-]+"), f"cgk_{MASK}"),
    (
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){1,3}"),
        MASK,
    ),
    (re.compile(rf"\b((?:{_FIELDS})=)[^&\s\"']+", re.I), rf"\1{MASK}"),
    # The user information of a URL.
    (re.compile(r"(?<=://)[^/?#\s\"'<>]+@"), f"{MASK}@"),
)


def masked(text: str) -> str:
    """The text with `***` in place of credentials. Rather too much is masked than too little."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def escaped(text: str) -> str:
    """The text on one line: nothing in it ends a line, moves a cursor or hides."""
    return printable(text)
