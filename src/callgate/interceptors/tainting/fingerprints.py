"""Fingerprints of texts: keyed hashes of windows and tokens, from which no text comes back."""

from __future__ import annotations

import hashlib
import re
import secrets
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

WINDOW = 12  # letters and digits in a row, in bytes
BLOCK = 16
CHUNK = 1 << 14  # windows that are looked at in one go
PIECE = 1 << 14  # characters that are
STEP = 1 << 13  # fingerprints that are sorted
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


class Prints:
    """Makes fingerprints with a key of its own, that lives as long as the process."""

    def __init__(self) -> None:
        # ECB is right here: equal windows must give equal blocks, and each is one whole block.
        self._cipher = Cipher(AES(secrets.token_bytes(32)), ECB())  # noqa: S305 - see above

    def windows(self, stream: bytes) -> Iterator[list[int]]:
        """One number for each window of the stream, in order, in lists of bounded length."""
        for start in range(0, max(len(stream) - WINDOW + 1, 0), CHUNK):
            piece = stream[start : start + CHUNK + WINDOW - 1]
            count = len(piece) - WINDOW + 1
            blocks = bytearray(BLOCK * count)
            for at in range(WINDOW):
                blocks[at::BLOCK] = piece[at : at + count]
            yield self._numbers(blocks)

    def tokens(self, found: Iterable[bytes]) -> list[int]:
        """One number for each token; never that of a window."""
        blocks = b"".join(token[: BLOCK - 1].ljust(BLOCK, b"\xff") for token in found)
        return self._numbers(blocks)

    def _numbers(self, blocks: bytes | bytearray) -> list[int]:
        sealed = self._cipher.encryptor().update(blocks)
        numbers: list[int] = memoryview(sealed).cast("Q")[::2].tolist()
        return numbers


class Kept:
    """A set of fingerprints in eight bytes each. Never changes: `plus` makes another."""

    __slots__ = ("_runs",)

    def __init__(self, runs: tuple[array[int], ...] = ()) -> None:
        self._runs = runs  # each sorted, and mostly less than half as long as the one before

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def plus(self, numbers: set[int]) -> Kept:
        """With those of the numbers that are not there yet."""
        fresh = array("Q", sorted(numbers - self.among(numbers)))
        if not fresh:
            return self
        runs = list(self._runs)
        while runs and len(runs[-1]) <= 2 * len(fresh):
            fresh = _merged(runs.pop(), fresh)
        return Kept((*runs, fresh))

    def beside(self, other: Kept) -> Kept:
        """With everything in another set; what is in both counts twice."""
        return Kept(self._runs + other._runs)

    def among(self, numbers: set[int]) -> set[int]:
        """Those of the numbers that are kept."""
        found: set[int] = set()
        for run in self._runs:
            if len(numbers) * 12 > len(run):
                found.update(numbers.intersection(run))
                continue
            at = 0
            for number in sorted(numbers):  # in order: near places of memory, one after the other
                at = bisect_left(run, number, at)
                if at < len(run) and run[at] == number:
                    found.add(number)
        return found


def _merged(long: array[int], short: array[int]) -> array[int]:
    """Both in order. In steps: nothing else runs while Python sorts."""
    merged = array("Q")
    begin = 0
    for at in range(0, len(long), STEP):
        part = long[at : at + STEP]
        is_last = at + STEP >= len(long)
        end = len(short) if is_last else bisect_left(short, part[-1])
        merged.extend(sorted((*part, *short[begin:end])))
        begin = end
    return merged


def pieces(text: str) -> Iterator[str]:
    """The text in parts that each take little time, as nothing else runs meanwhile."""
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))
