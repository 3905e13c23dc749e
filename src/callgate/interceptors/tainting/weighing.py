"""How much of what came back in a run a value would carry out, whatever it is encoded in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from callgate.audit.identifying import WINDOW, keys, squeezed, tokens
from callgate.audit.unveiling import folded, turned, views
from callgate.interceptors.tainting.addresses import addresses, is_allowed
from callgate.interceptors.tainting.fingerprints import CHUNK, Prints, pieces
from callgate.interceptors.tainting.leaves import Leaf
from callgate.interceptors.tainting.memory import Run
from callgate.model import Value

ENOUGH_BYTES = 16_384  # known ones, after which nothing more is looked for
MIN_OVERLAP_BYTES = 32  # of a shorter text, the share says nothing


class Leak(Value):
    """What a value carries of what is remembered."""

    sent_bytes: int = 0
    keys: int = 0  # of systems, whole
    overlap: float = 0.0  # the largest share of one field that is known
    opaque_bytes: int = 0  # encoded data that cannot be read
    hosts: tuple[str, ...] = ()  # named in URLs that may carry data, and not allowed
    sources: tuple[str, ...] = ()  # whose results they are, the most first
    fields: tuple[str, ...] = ()  # in which they stand
    tails: dict[str, bytes] = {}  # the last letters of each field


def fingerprints(prints: Prints, texts: Iterable[str]) -> Iterator[list[int]]:
    """Of everything in a result, in lists of bounded size: windows in order, and tokens."""
    stream = b""
    for text in texts:
        for piece in pieces(text):
            plain = folded(piece)
            yield prints.tokens(tokens(plain) | keys(plain))
            stream += squeezed(plain)
            if len(stream) >= CHUNK:
                yield from prints.windows(stream)
                stream = stream[-(WINDOW - 1) :]
    yield from prints.windows(stream)


class Scale:
    """Weighs one value against one run."""

    def __init__(
        self, prints: Prints, run: Run, *, except_target: str = "", domains: frozenset[str] | None
    ) -> None:
        self._prints = prints
        self._run = run
        self._domains = domains
        self._sources = {
            name: kept
            for name, kept in tuple(run.sources.items())
            if not except_target or name.partition("___")[0] != except_target
        }
        self._by_source: dict[str, int] = {}
        self._hosts: dict[str, None] = {}
        self._opaque_bytes = 0
        self._keys: set[bytes] = set()
        self._copied = b""  # what was counted last: a token in it is not counted again

    def weigh(self, leaves: Iterable[Leaf]) -> Leak:
        """What the value would carry out."""
        if not self._sources:
            return Leak()
        groups: dict[str, list[str]] = {}
        for field, text in leaves:
            groups.setdefault(field, []).append(text)
        weights, tails, plain = {}, {}, []
        overlap = 0.0
        for field, texts in groups.items():
            stream = b"".join(squeezed(folded(piece)) for text in texts for piece in pieces(text))
            plain.append(stream)
            tail = self._run.tail(field)
            tails[field] = (tail + stream)[-(WINDOW - 1) :]
            weights[field], share = self._field(texts, stream, tail)
            overlap = max(overlap, share)
        total = sum(weights.values())
        if len(plain) > 1:
            total = max(total, self._covered(b"".join(plain)))
        return Leak(
            sent_bytes=total,
            keys=len(self._keys),
            overlap=overlap,
            opaque_bytes=self._opaque_bytes,
            hosts=tuple(self._hosts),
            sources=tuple(sorted(self._by_source, key=self._by_source.__getitem__, reverse=True)),
            fields=tuple(field for field, weight in weights.items() if weight),
            tails=tails,
        )

    def _field(self, texts: list[str], stream: bytes, tail: bytes) -> tuple[int, float]:
        """The known bytes of one field, and their largest share of a text in it."""
        joined = "".join(texts)
        covered = self._covered(tail + stream, len(tail))
        share = _share(covered, stream)
        if covered > ENOUGH_BYTES:
            return covered, share
        weight, most = self._turned(joined)
        covered, share = max(covered, weight), max(share, most)
        for text in texts:
            for piece in pieces(text):
                covered += self._tokens(piece)
        whole = [joined] if len(texts) > 1 else []
        for text in (*texts, *whole):
            for piece in pieces(text):
                self._addresses(piece)
                inner, most = self._views(piece, is_new=text is not joined or not whole)
                covered, share = covered + inner, max(share, most)
        return covered, share

    def _turned(self, text: str) -> tuple[int, float]:
        """The known bytes of the text backwards or with its letters turned, and their share."""
        covered, letters = [0, 0], 1
        for piece in pieces(text):
            for way, other in enumerate(turned(folded(piece))):
                stream = squeezed(other)
                covered[way] += self._covered(stream)
            letters += len(stream)
        most = max(covered)
        return most, most / letters if letters > MIN_OVERLAP_BYTES else 0.0

    def _views(self, text: str, *, is_new: bool) -> tuple[int, float]:
        covered, share = 0, 0.0
        for view in views(text):
            if not view.text:
                self._opaque_bytes += view.opaque_bytes if is_new else 0
                continue
            self._addresses(view.text)
            stream = b"".join(squeezed(folded(piece)) for piece in pieces(view.text))
            weight = self._covered(stream)
            weight += sum(self._tokens(piece) for piece in pieces(view.text))
            weight = max(weight, self._turned(view.text)[0])
            covered, share = covered + weight, max(share, _share(weight, stream))
        return covered, share

    def _tokens(self, text: str) -> int:
        plain = folded(text)
        of_systems = keys(plain)
        found = sorted(tokens(plain) | of_systems)
        numbers = self._prints.tokens(found)
        known = self._known(set(numbers))
        here = {token for token, number in zip(found, numbers, strict=True) if number in known}
        self._keys |= here & of_systems
        return sum(len(token) for token in here - of_systems if token not in self._copied)

    def _covered(self, stream: bytes, start: int = 0) -> int:
        """How many bytes of the stream, from `start` on, lie in known windows."""
        covered, end, at = 0, start, 0
        copied: list[bytes] = []
        for numbers in self._prints.windows(stream):
            known = self._known(set(numbers))
            if known:
                for index, number in enumerate(numbers, at):
                    if number in known and index + WINDOW > end:
                        covered += index + WINDOW - max(index, end)
                        copied.append(stream[max(index, end) : index + WINDOW])
                        end = index + WINDOW
            at += len(numbers)
            if covered > ENOUGH_BYTES:
                break
        if copied:
            self._copied = b"".join(copied)
        return covered

    def _known(self, numbers: set[int]) -> set[int]:
        known: set[int] = set()
        for name, kept in self._sources.items():
            found = kept.among(numbers)
            if found:
                known |= found
                self._by_source[name] = self._by_source.get(name, 0) + len(found)
        return known

    def _addresses(self, text: str) -> None:
        if self._domains is None:
            return
        for address in addresses(text):
            if address.carries_data and not is_allowed(address.host, self._domains):
                self._hosts[address.host or "a host that cannot be read"] = None


def _share(covered: int, stream: bytes) -> float:
    return min(covered / len(stream), 1.0) if len(stream) >= MIN_OVERLAP_BYTES else 0.0
