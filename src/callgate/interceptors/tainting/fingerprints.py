"""Fingerprints of texts: keyed hashes of windows and tokens, from which no text comes back."""

from __future__ import annotations

import secrets
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from callgate.audit.identifying import WINDOW

BLOCK = 16
CHUNK = 1 << 14  # windows that are looked at in one go
PIECE = 1 << 14  # characters that are
STEP = 1 << 13  # fingerprints that are sorted


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
