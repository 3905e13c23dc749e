"""Encoded parts of a text, decoded: base64, base32, hex, codes of characters, compressed data."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from callgate.interceptors.redacting.forms import Form, any_of
from callgate.interceptors.redacting.sights import Piece, Sight

SHORT = 4096

OPAQUE = "opaque"
"""The kind of what cannot be seen through within the bounds."""

_A = r"A-Za-z0-9+/_\-"
# One group of base64 that decodes to three printable ASCII characters. Words, paths and ids rarely
# begin with three such groups, so most texts hold no candidate at all.
_G = rf"[CDI-Za-f][ACDEFGHQSTUVWXgijklmnwyz0123][ABEFIJMNQRUVYZcdghklopstwx014589][{_A}]"
# The same for UTF-16, where every other byte is zero.
_WIDE = rf"[A-Za-f][AQgw][AB][{_A}]A[C-H][AEIMQUYcgkosw048]A|A[C-H][AEIMQUYcgkosw048]A[C-Za-f]"
_BYTE = r"(?:[2-7][0-9A-Fa-f]|0[9aAdD])"

FORMS: dict[str, Form] = {
    "base64": Form(
        rf"(?:^|[^A-Za-z0-9+])((?:(?:{_G}){{3}}|{_WIDE}|H4sI[{_A}]{{12}}|e(?:A[E-H]|F[4-7]|J[w-z]|N[o-r])"
        rf"[{_A}]{{9}})[{_A}]*={{0,2}})",
        group=1,
    ),
    "lines": Form(
        r"((?:[A-Za-z0-9+/]{32,128}[ \t]*\r?\n[ \t]*)+[A-Za-z0-9+/]{2,128}={0,2})", group=1
    ),
    "long": Form(rf"([{_A}]{{64,}}={{0,2}})", group=1),
    "base32": Form(r"(?:^|[^A-Za-z0-9])([A-Z2-7]{24,}={0,6})", group=1),
    "base85": Form(r"(<~[!-uz\s]{12,}~>)", group=1),
    "hex": Form(
        rf"(?:^|[^0-9A-Za-z])((?:0[xX])?(?:{_BYTE}{{9}}|1[fF]8[bB]08[0-9A-Fa-f]{{16}}"
        rf"|78(?:01|5[eE]|9[cC]|[dD][aA])[0-9A-Fa-f]{{14}}|[0-9A-Fa-f]{{96}})[0-9A-Fa-f]*)",
        group=1,
    ),
    "spaced": Form(
        rf"(?:^|[^0-9A-Za-z])((?:0[xX])?{_BYTE}(?:[ :,;\-] ?(?:0[xX])?{_BYTE}){{8,}})", group=1
    ),
    "codes": Form(r"(?:^|[^0-9.\-])([0-9]{2,3}(?:(?:[,;] ?| )[0-9]{2,3}){11,})", group=1),
}
# One pass tells that there is nothing encoded, which is so mostly.
SCREEN = any_of(FORMS.values())
_NOT_TEXT = bytes(code for code in range(32) if code not in b"\t\n\r")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_SPACES = re.compile(rb"\s+")
_PREFIXES = re.compile(r"0[xX]|[^0-9A-Fa-f]")
_SEPARATORS = re.compile(r"[/_\-]")
_NUMBER = re.compile(r"[0-9]+")


class Budget:
    """How many bytes may still come out of compressed data, for one value."""

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes


class Decoded(NamedTuple):
    """What an encoded part says. Neither: its end is not reached within the bounds."""

    text: str = ""
    is_loose: bool = False  # not text, or possibly chance
    is_opaque: bool = False


class Seen(NamedTuple):
    """What the encoded parts of a text say, as sights; and those that stay opaque."""

    sights: list[Sight]
    opaque: list[tuple[int, int]]  # in the document


def looked_into(sight: Sight, budget: Budget) -> Seen:
    """The encoded parts of a text. All of one sort stand in one sight, a line for each."""
    reading = sight.reading
    if not SCREEN.is_in(reading):
        return Seen([], [])
    firm, loose = _Batch(sight), _Batch(sight)
    opaque: list[tuple[int, int]] = []
    known: set[tuple[str, int]] = set()  # the same part, found by another form
    for name, form in FORMS.items():
        for start, end in form.places(reading):
            if sight.only_across and not sight.crosses(start, end):
                continue
            decoded = (
                _READERS[name](sight.text[start:end], budget) if (name, end) not in known else None
            )
            if decoded is None:
                continue
            if not decoded.is_loose:
                known.add(("long", end))
            if decoded.is_opaque:
                opaque.append(sight.origin(start, end))
            else:
                (loose if decoded.is_loose else firm).add(start, end, decoded.text)
    sights = [batch.made(is_loose=batch is loose) for batch in (firm, loose) if batch.pieces]
    return Seen(sights, opaque)


class _Batch:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._parts: list[str] = []
        self._length = 0
        self.pieces: list[Piece] = []

    def add(self, start: int, end: int, text: str) -> None:
        self.pieces.append(Piece(self._length, *self._sight.origin(start, end), False))
        self._parts.append(text)
        self._length += len(text) + 1

    def made(self, *, is_loose: bool) -> Sight:
        is_loose = is_loose or self._sight.is_loose
        return Sight("\n".join(self._parts), self.pieces, is_loose=is_loose, is_decoded=True)


def _of_base64(text: str, budget: Budget) -> Decoded | None:
    decoded = _of_letters(text, budget)
    if (decoded is None or decoded.is_loose) and len(text) < SHORT:
        # A part of a path or of a file's name, where `/`, `-` and `_` only separate.
        first = _SEPARATORS.split(text, maxsplit=1)[0]
        shorter = _of_letters(first, budget) if 12 <= len(first) < len(text) else None
        if shorter is not None and not shorter.is_loose:
            return shorter
    return decoded


def _of_letters(text: str, budget: Budget) -> Decoded | None:
    body = _SPACES.sub(b"", text.encode()).rstrip(b"=").translate(_TO_STANDARD)
    body = body[: len(body) - (len(body) % 4 == 1)]
    return _read(binascii.a2b_base64(body + b"=" * (-len(body) % 4)), budget)


def _of_base32(text: str, budget: Budget) -> Decoded | None:
    body = text.rstrip("=")
    body = body[: len(body) - (1 if len(body) % 8 in (1, 3, 6) else 0)]
    return _read(base64.b32decode(body + "=" * (-len(body) % 8)), budget)


def _of_base85(text: str, budget: Budget) -> Decoded | None:
    try:
        return _read(base64.a85decode(text, adobe=True), budget)
    except ValueError:
        return None


def _of_hex(text: str, budget: Budget) -> Decoded | None:
    digits = _PREFIXES.sub("", text)
    return _read(bytes.fromhex(digits[: len(digits) & ~1]), budget)


def _of_codes(text: str, _budget: Budget) -> Decoded | None:
    codes = [int(number) for number in _NUMBER.findall(text)]
    if any(code > 126 or (code < 32 and code not in (9, 10, 13)) for code in codes):
        return None
    return Decoded("".join(map(chr, codes)))


_READERS: dict[str, Callable[[str, Budget], Decoded | None]] = {
    "base64": _of_base64,
    "lines": _of_base64,
    "long": _of_base64,
    "base32": _of_base32,
    "base85": _of_base85,
    "hex": _of_hex,
    "spaced": _of_hex,
    "codes": _of_codes,
}


def _read(data: bytes, budget: Budget) -> Decoded | None:
    """Decoded bytes as text, once they are unpacked; None where they are too short to matter."""
    if data[:2] == b"\x1f\x8b" or data[:2] in (b"x\x01", b"x^", b"x\x9c", b"x\xda"):
        unpacked = _unpacked(data, budget)
        if unpacked is None:
            return Decoded(is_opaque=True)
        data = unpacked or data
    text = text_of(data)
    if text is not None:
        return Decoded(text)
    if len(data) < 32:
        return None
    return Decoded(data.decode("latin-1"), is_loose=True)


def _unpacked(data: bytes, budget: Budget) -> bytes | None:
    """What is packed in gzip or zlib; b"" where nothing is, None where it is more than allowed."""
    unpacker = zlib.decompressobj(47)  # finds out which of the two by itself
    try:
        made = unpacker.decompress(data, budget.left + 1)
    except zlib.error:
        return b""
    if len(made) > budget.left:
        budget.left = 0
        return None
    budget.left -= len(made)
    return made


def text_of(data: bytes) -> str | None:
    """Bytes as text, UTF-8 or UTF-16; None where they are none."""
    if not data:
        return None
    if len(data) == len(data.translate(None, _NOT_TEXT)):
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    return next(_wide(data), None)


def _wide(data: bytes) -> Iterator[str]:
    for encoding, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[0::2])):
        if len(data) % 2 == 0 and zeros.count(0) * 2 > len(zeros):
            text = data.decode(encoding, "replace")
            if not any(ord(character) < 32 and character not in "\t\n\r" for character in text):
                yield text
