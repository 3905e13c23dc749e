"""A quick look at JSON bytes: is there anything at all that could be worth a closer look?"""

from __future__ import annotations

from collections.abc import Iterable

from callgate.interceptors.redacting.credentials import ENGINE
from callgate.interceptors.redacting.document import has_unusual_escapes, unescaped
from callgate.interceptors.redacting.forms import Form, Reading, Together
from callgate.interceptors.redacting.hints import ODD, odd_run
from callgate.interceptors.redacting.personal import IBAN, engine_form
from callgate.interceptors.redacting.regions import FORMS

# INVARIANT: whatever the scanner can find in a value, this finds in every JSON text of that value
# that is ASCII, once escapes are what they stand for. Each alternative lies within one string or
# number, or is about the structure around strings, so that spaces between tokens change nothing.
#
# What the forms of keys find holds ENGINE's as well: the test reads it from them. Shorter runs
# count where they are no words (`odd_run`): redact-secret and a second reading look only at these.
_ALWAYS = (
    r"[%&\x7f]",
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
        forms = (*_ALWAYS, engine_form(kinds).pattern)
        self._worth = Form("|".join(f"(?:{form})" for form in forms))
        self._together = Together((self._worth, ODD))

    def may_skip(self, body: bytes) -> bool:
        """True only where the scanner would certainly find nothing in this JSON text."""
        if not body.isascii():
            return False
        if body.find(b"\\") >= 0:
            if has_unusual_escapes(body):
                return False
            body = unescaped(body)
            if b"\\" in body:
                return False
        found = self._together.may_be_in(body)
        if not found:
            return True
        return self._worth not in found and odd_run(Reading(body.decode()), 0) is None
