"""A quick look at JSON bytes: is there anything at all that could be worth a closer look?"""

from __future__ import annotations

from typing import Any

import re2

# INVARIANT: whatever the scanner can find in a value, this finds in every JSON text of that value.
# Each alternative lies within one string or number, or is about the structure around strings, so
# that spaces between tokens change nothing; a text with escapes is always worth a look.
_WORTH: Any = re2.compile(
    rb"[\\%&@\x7f-\x{10ffff}]"  # bytes are read as UTF-8
    rb"|[0-9](?:[ .()/\-]{0,2}[0-9]){5}"  # numbers of cards, phones, people, accounts
    rb"|[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|:[0-9A-Fa-f]{0,4}:"  # addresses of the network
    rb"|[0-9][eE][+\-]?[0-9]"  # a number that may be written in another way
    rb"|[A-Za-z0-9+/_.~\-]{12}"
    rb"|<~|://"
    rb"|(?i:pass|pwd|pin|secret|token|key|auth|cred|bearer|basic|cookie|session|private|sign)"
    rb"|[0-9A-Fa-f]{2}(?:[ :,;\-] ?[0-9A-Fa-f]{2}){5}"  # spaced hex
    rb"|[0-9]{2,3}(?:\s*[,;\s]\s*[0-9]{2,3}){7}"  # codes of characters
    # Texts that may be halves of one: next to each other in a list, or in blocks of content.
    rb'|[\[,]\s*"[^"]*"\s*,\s*"[^"]*"\s*[,\]]'
    rb'|"text"\s*:\s*"[^"]*"[^:]*:?[^:]*"text"\s*:\s*"'
)


def is_worth_a_look(body: bytes) -> bool:
    """False only where the scanner would certainly find nothing in this JSON text."""
    return _WORTH.search(body) is not None
