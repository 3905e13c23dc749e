"""A quick look at JSON bytes: is there anything at all that could be worth a closer look?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import re2

from callgate.interceptors.redacting.credentials import ENGINE
from callgate.interceptors.redacting.document import has_unusual_escapes, unescaped
from callgate.interceptors.redacting.forms import Reading
from callgate.interceptors.redacting.hints import odd_run
from callgate.interceptors.redacting.personal import IBAN, engine_form
from callgate.interceptors.redacting.regions import FORMS

# INVARIANT: whatever the scanner can find in a value, this finds in every JSON text of that value.
# Each alternative lies within one string or number, or is about the structure around strings, so
# that spaces between tokens change nothing. What escapes stand for is looked at too.
#
# What the forms of keys find holds ENGINE's as well: the test reads it from them. Shorter runs
# count where they are no words (`odd_run`): redact-secret and a second reading look only at these.
_ALWAYS = (
    r"[%&\x7f-\x{10ffff}]",  # bytes are read as UTF-8
    r"[0-9][eE][+\-]?[0-9]",  # a number that may be written in another way
    r"[0-9](?:[ .()/\-]{0,2}[0-9]){11}",  # numbers of cards
    IBAN,
    ENGINE.pattern,
    r"(?i:pwd|auth|cred|bearer|cookie|session|private|signature|\bsig|verifier|art_api)",
    *(FORMS[name].pattern for name in ("base64", "base85", "hex", "spaced")),
    r"[0-9]{2,3}(?:\s*[,;\s]\s*[0-9]{2,3}){7}",  # codes of characters
    # Texts that may be halves of one: next to each other in a list, or in blocks of content.
    r'[\[,]\s*"[^"]*"\s*,\s*"[^"]*"\s*[,\]]',
    r'"text"\s*:\s*"[^"]*"[^:]*:?[^:]*"text"\s*:\s*"',
)


class Screen:
    """Tells what certainly holds nothing of the chosen kinds."""

    def __init__(self, kinds: Iterable[str]) -> None:
        forms = "|".join(f"(?:{form})" for form in (*_ALWAYS, engine_form(kinds).pattern))
        self._worth: Any = re2.compile(forms.encode())

    def is_worth_a_look(self, body: bytes) -> bool:
        """False only where the scanner would certainly find nothing in this JSON text."""
        if self._worth.search(body) is not None:
            return True  # or so it seems, for an escape: then a closer look finds nothing
        text = body
        if b"\\" in body:
            if has_unusual_escapes(body):
                return True
            text = unescaped(body)
            if b"\\" in text or self._worth.search(text) is not None:
                return True
        return odd_run(Reading(text.decode()), 0) is not None
