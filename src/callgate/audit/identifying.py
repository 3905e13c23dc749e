"""What identifies by itself in a text: runs of letters, addresses, numbers, ids, keys."""

from __future__ import annotations

import hashlib
import re

WINDOW = 12  # letters and digits in a row, in bytes: fewer are met by chance
MIN_TOKEN = 6

_NOT_ALNUM = bytes(code for code in range(128) if not chr(code).isalnum())
_BETWEEN = re.compile(r"[\W_]+")
_DIGIT = re.compile("[0-9]")
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"[0-9](?:[ ().,/'-]{0,2}[0-9]){5,}")
_NAME = re.compile(r"[^\W_]+(?:[-_./:][^\W_]+)*")
_KEY = re.compile(r"[a-z0-9]{16,}", re.ASCII)
_MIXED = re.compile(r"[a-z](?=[0-9])|[0-9](?=[a-z])")
_HEX = re.compile(r"[0-9a-f]+")
MIN_CHANGES = 4  # between letters and digits
_COMMON = re.compile(  # what everybody writes: dates, times, versions
    r"[0-9]{4}[-/.]?[0-9]{2}[-/.]?[0-9]{2}(?:[t ].*)?|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?.*|v?[0-9]+(?:\.[0-9]+){1,2}"
)


def squeezed(plain: str) -> bytes:
    """Only the letters and digits of a folded text: what stands between them hides nothing."""
    if plain.isascii():
        return plain.encode().translate(None, _NOT_ALNUM)
    return _BETWEEN.sub("", plain).encode("utf-8", "ignore")


def tokens(plain: str) -> set[bytes]:
    """What identifies by itself in a folded text, and is shorter than a window.

    Short addresses, numbers and ids: whole tokens with digits, never parts of them, because short
    ones are met by chance. Dates, times, versions and round numbers identify nothing.
    """
    found: set[bytes] = set()
    words = plain.split()
    if "@" in plain:
        mails = (mail for word in words if "@" in word for mail in _MAIL.findall(word[:320]))
        found.update(b"@" + mail.encode() for mail in mails if len(squeezed(mail)) < WINDOW)
    candidates = _NUMBER.findall(plain)
    for word in words:
        if _DIGIT.search(word) is not None:
            candidates += _NAME.findall(word)
    for token in candidates:
        key = squeezed(token)
        if MIN_TOKEN <= len(key) < WINDOW and _identifies(token, key):
            found.add(key)
    return found


def _identifies(token: str, key: bytes) -> bool:
    has_digit = any(48 <= code < 58 for code in key)
    is_round = key.isdigit() and len(key.rstrip(b"0")) < 4
    return has_digit and not is_round and _COMMON.fullmatch(token) is None


def keys(plain: str) -> set[bytes]:
    """What looks like keys of systems in a folded text, each as bytes that are no token.

    Sixteen and more letters and digits, well mixed; digests and UUIDs are not, nor are words.
    """
    found = (part for part in _KEY.findall(plain) if len(_MIXED.findall(part)) >= MIN_CHANGES)
    return {
        b"#" + hashlib.blake2b(part.encode(), digest_size=14).digest()
        for part in found
        if _HEX.fullmatch(part) is None
    }
