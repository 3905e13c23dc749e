"""What a text says beneath its encodings, within bounds: for those who look for what is hidden."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote

import re2

MAX_DEPTH = 4  # encodings inside of encodings
MAX_VIEWS = 2_000  # decoded parts of one value
MAX_DECODED_BYTES = 4 << 20  # of all decoded parts of one value together
MAX_INFLATED_BYTES = 1 << 20  # of one compressed part
MAX_PARTS = 500  # of one text that look encoded in one way
MIN_TEXT = 6
LONGEST_DIGEST = 64  # characters: of SHA-256, in hexadecimal digits
MAX_DIGITS = 2_000  # of one number that may spell a text

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_TAGS = {0xE0000 + code: code for code in range(0x20, 0x7F)}
# Letters of other scripts that look like Latin ones: enough to read a word that was dressed up.
_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u0251\u0261\u0131\u0142",
    "aeopcxyijshdqw" + "aopvik" + "agil",
)
_LATIN_BESIDE = re.compile("[a-z][\u0370-\u052f]|[\u0370-\u052f][a-z]")


def folded(text: str) -> str:
    """The text as it is read, whatever it is written with: one width, one case, all visible."""
    if text.isascii():
        return text.lower()
    if _INVISIBLE.search(text) is not None:
        text = _INVISIBLE.sub("", text.translate(_TAGS))
    plain = unicodedata.normalize("NFKC", text).casefold()
    return plain.translate(_ALIKE) if _LATIN_BESIDE.search(plain) else plain


class View(NamedTuple):
    """A part of a text, decoded; or one that holds bytes which are no text."""

    text: str
    way: str  # how it was encoded, the outermost first: `base64 gzip`
    opaque_bytes: int = 0  # of data that is neither text nor compressed text


def views(text: str) -> Iterator[View]:
    """Everything that the text holds in some encoding, at any depth, within the bounds."""
    left = [(text, "", 0)]
    seen: set[str] = set()
    room = MAX_DECODED_BYTES
    while left:
        inner, way, depth = left.pop()
        for name, found in _decoded(inner.encode("utf-8", "replace")):
            how = f"{way} {name}".strip()
            if isinstance(found, int):
                if depth == 0:
                    yield View("", how, found)
                continue
            room -= len(found)
            if found in seen or room < 0 or len(seen) >= MAX_VIEWS:
                continue
            seen.add(found)
            yield View(found, how)
            if depth + 1 < MAX_DEPTH:
                left.append((found, how, depth + 1))


def turned(text: str) -> tuple[str, str]:
    """The text backwards, and its letters turned by 13 places."""
    return text[::-1], codecs.encode(text, "rot13")


Found = tuple[str, "str | int"]  # how it was encoded; the text, or how many bytes of no text


def _decoded(text: bytes) -> Iterator[Found]:
    if _ANY.search(text) is None:
        return
    for way, hint, decode in _WHOLE:
        if hint.search(text) is not None:
            yield way, decode(text.decode())
    for way, form, decode_part in _PARTS:
        yield from _parts(way, form, decode_part, text)


def _parts(
    way: str, form: Any, decode: Callable[[str], Iterator[bytes]], text: bytes
) -> Iterator[Found]:
    for number, found in enumerate(form.finditer(text)):
        if number == MAX_PARTS:
            yield way, len(text) - found.start()  # too many to look at: none of them is looked into
            return
        part = found[0].decode()
        for data in decode(part):
            said = text_in(data)
            if said is not None:
                yield way + said[1], said[0]
                break
        else:
            opaque_bytes = _opaque_bytes(way, part)
            if opaque_bytes:
                yield way, opaque_bytes


def _opaque_bytes(way: str, part: str) -> int:
    """How many bytes a part can hold: none where it is a word, a path, an id or a digest."""
    if len(part) <= LONGEST_DIGEST:
        return 0
    is_hex = _ALL_HEX.fullmatch(part) is not None
    if way == "hex":
        return len(_NO_HEX.sub("", part)) // 2
    if way != "base64" or is_hex or len(set(part)) < 24:
        return 0
    is_mixed = all(len(kind.findall(part)) * 20 > len(part) for kind in (_LOWER, _UPPER, _DIGIT))
    return len(part) * 3 // 4 if is_mixed else 0


def _base64(part: str) -> Iterator[bytes]:
    """Read from its first four places on, and from its separators on: a prefix hides nothing."""
    if _UPPER.search(part) is None or _ALL_HEX.fullmatch(part) is not None:
        return  # words, paths and digests: sixteen letters of base64 hold a capital but by chance
    plain = "".join(part.split()).rstrip("=")
    starts = dict.fromkeys((0, 1, 2, 3))
    for at, letter in enumerate(plain[:200]):
        if letter in "/-_+":
            starts[at + 1] = None
    for start in list(starts)[:16]:
        piece = plain[start:].replace("-", "+").replace("_", "/")
        piece = piece[: len(piece) - 1] if len(piece) % 4 == 1 else piece
        if len(piece) >= MIN_TEXT:
            yield binascii.a2b_base64(piece + "=" * (-len(piece) % 4))


def _base32(part: str) -> Iterator[bytes]:
    plain = part.rstrip("=").upper()
    plain = plain[: len(plain) - (1 if len(plain) % 8 in (1, 3, 6) else 0)]
    with suppress(binascii.Error, ValueError):
        yield base64.b32decode(plain + "=" * (-len(plain) % 8))


def _base85(part: str) -> Iterator[bytes]:
    if len(_RARE.findall(part)) * 12 < len(part) or "://" in part:
        return
    inner = part.partition("<~")[2].partition("~>")[0]
    for plain in dict.fromkeys((inner, part, part.strip("()[]{}<>\"'`,;:."))):
        with suppress(ValueError, OverflowError):
            yield base64.b85decode(plain)
        with suppress(ValueError, OverflowError):
            yield base64.a85decode(plain)


def _hexadecimal(part: str) -> Iterator[bytes]:
    digits = _NO_HEX.sub("", part)
    for start in (0, 1):
        yield bytes.fromhex(digits[start : start + (len(digits) - start) // 2 * 2])


def _binary(part: str) -> Iterator[bytes]:
    bits = "".join(part.split())
    yield bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))


def _codes(part: str) -> Iterator[bytes]:
    numbers = [int(number) for number in _NUMBER.findall(part)]
    if all(number < 256 for number in numbers):
        yield bytes(numbers)


def _number(part: str) -> Iterator[bytes]:
    if len(part) <= MAX_DIGITS:
        number = int(part)
        yield number.to_bytes((number.bit_length() + 7) // 8, "big")


def text_in(data: bytes) -> tuple[str, str] | None:
    """The text that bytes are, inflated where they are compressed, and a word for that.

    A tenth of it may be no text: what stood beside an encoded part is decoded with it.
    """
    if len(data) < MIN_TEXT:
        return None
    if data[:2] == b"\x1f\x8b" or data[:1] == b"\x78":
        inflated = _inflated(data)
        if inflated:
            return inflated.decode("utf-8", "replace"), " compressed"
    if data.count(0) * 3 > len(data):
        data = data.replace(b"\0", b"")  # UTF-16 of plain letters
    text = data.decode("utf-8", "ignore")
    kept = text.encode()
    strange = len(data) - len(kept) + len(kept) - len(kept.translate(None, _NOT_TEXT))
    return (text, "") if len(text) >= MIN_TEXT and strange * 10 <= len(data) else None


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:
        return b""


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(lambda found: chr(int(found[1] or found[2] or found[3], 16)), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unquoted(text: str) -> str:
    return unquote(text.replace("=\n", "").replace("=", "%"), errors="replace")


_NOT_TEXT = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"
_RARE = re.compile(r"[!#$%&()*;<>?@^`{|}~+=]")  # a quarter of base85, and little of other texts
_LOWER, _UPPER, _DIGIT = re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]")
_ALL_HEX = re.compile(r"[0-9A-Fa-f\s:,;.\-]+")
_NO_HEX = re.compile(r"0x|\\x|[^0-9A-Fa-f]")
_NUMBER = re.compile("[0-9]+")
_ESCAPE = re.compile(
    r"\\u\{?([0-9A-Fa-f]{4})\}?|\\x([0-9A-Fa-f]{2})|\\U0*(10[0-9A-Fa-f]{4}|[0-9A-Fa-f]{4,5})"
)

# RE2: linear, and quick where there is nothing.
_HINTS: dict[str, bytes] = {
    "escapes": rb"\\(?:u\{?[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|U[0-9A-Fa-f]{5})",
    "percent": rb"%[0-9A-Fa-f]{2}",
    "quoted": rb"=[0-9A-F]{2}=[0-9A-F]{2}",
    "entities": rb"&(?:#[0-9xX]|[A-Za-z]{2,8};)",
}
_FORMS: dict[str, bytes] = {
    "base64": rb"[A-Za-z0-9+/_\-]{16,}={0,2}",
    "lines": rb"(?:[A-Za-z0-9+/]{16,128}[ \t]*\r?\n[ \t]*)+[A-Za-z0-9+/]+={0,2}",
    "base32": rb"(?:[A-Z2-7]{16,}|[a-z2-7]{16,})={0,6}",
    "base85": rb"[!-~]{20,}",  # in brackets and quotes, too
    "hex": rb"[0-9A-Fa-f]{16,}"
    rb"|(?:0x|\\x)?[0-9A-Fa-f]{2}(?:[ :,;.\-\n]{1,2}(?:0x|\\x)?[0-9A-Fa-f]{2}){7,}",
    "binary": rb"[01]{8}(?:[ \n]?[01]{8}){5,}",
    "codes": rb"[0-9]{2,3}(?:[,; \n]{1,2}[0-9]{2,3}){7,}",
    "number": rb"[0-9]{15,}",
}
_ANY: Any = re2.compile(
    b"|".join(b"(?:" + one + b")" for one in (*_HINTS.values(), *_FORMS.values()))
)
_WHOLE: tuple[tuple[str, Any, Callable[[str], str]], ...] = (
    ("escapes", re2.compile(_HINTS["escapes"]), _unescaped),
    ("percent", re2.compile(_HINTS["percent"]), lambda text: unquote(text, errors="replace")),
    ("quoted", re2.compile(_HINTS["quoted"]), _unquoted),
    ("entities", re2.compile(_HINTS["entities"]), html.unescape),
)
_PARTS: tuple[tuple[str, Any, Callable[[str], Iterator[bytes]]], ...] = (
    ("base64", re2.compile(_FORMS["base64"]), _base64),
    ("base64", re2.compile(_FORMS["lines"]), _base64),
    ("base32", re2.compile(_FORMS["base32"]), _base32),
    ("base85", re2.compile(_FORMS["base85"]), _base85),
    ("hex", re2.compile(_FORMS["hex"]), _hexadecimal),
    ("binary", re2.compile(_FORMS["binary"]), _binary),
    ("codes", re2.compile(_FORMS["codes"]), _codes),
    ("number", re2.compile(_FORMS["number"]), _number),
)
