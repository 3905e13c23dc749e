"""Fingerprints of texts: keyed hashes of windows and tokens, from which no text comes back."""

from __future__ import annotations

import secrets
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from callgate.audit.identifying import WINDOW

BLOCK = 16
CHUNK = 1 << 14  # windows that are looked at in one go
PIECE = 1 << 14  # characters that are
STEP = 1 << 13  # fingerprints that are sorted
LARGEST = (1 << 64) - 1


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

    def plus(self, numbers: Iterable[int]) -> Kept:
        """With those of the numbers that are not there yet."""
        return self.plus_all((list(numbers),))

    def plus_all(self, lists: Iterable[list[int]], but: AbstractSet[int] = frozenset()) -> Kept:
        """With the numbers in the lists, each of bounded size, but for some and those it has."""
        fresh = [array("Q", new) for some in lists if (new := self._new(some, but))]
        runs = list(self._runs)
        size = sum(map(len, fresh))
        while fresh and runs and len(runs[-1]) <= 2 * size:
            size += len(runs[-1])
            fresh.append(runs.pop())
        return Kept((*runs, _merged(fresh, size))) if fresh else self

    def _new(self, some: list[int], but: AbstractSet[int]) -> list[int]:
        """Those that are to be added, in order; one may stand there twice."""
        if not self._runs and not but:
            return sorted(some)  # a set would take its time, and so would sorting what comes of it
        numbers = set(some) - but
        return sorted(numbers - self.among(numbers))

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


def _merged(runs: list[array[int]], size: int) -> array[int]:
    """All of them in order, each number once. In steps: nothing else runs while Python sorts."""
    merged = array("Q")
    begins = [0] * len(runs)
    parts = size // STEP + 1
    for part in range(1, parts + 1):  # fingerprints are spread evenly: so are the parts
        limit = part * LARGEST // parts
        ends = [bisect_right(run, limit, begin) for run, begin in zip(runs, begins, strict=True)]
        some: set[int] = set()
        for run, begin, end in zip(runs, begins, ends, strict=True):
            some.update(run[begin:end])
        merged.extend(sorted(some))
        begins = ends
    return merged


def pieces(text: str) -> Iterator[str]:
    """The text in parts that each take little time, as nothing else runs meanwhile."""
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))
