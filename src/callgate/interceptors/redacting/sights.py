"""The same text as a reader may see it: unescaped, cleaned, joined, turned around."""

from __future__ import annotations

import codecs
import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

from callgate.interceptors.redacting.forms import Form, Reading


class Piece(NamedTuple):
    """A part of a sight, and the part of the document that it shows."""

    start: int
    first: int  # in the document
    last: int  # in the document, exclusive
    is_exact: bool  # character by character; else the whole part stands for the whole piece


class Sight:
    """A text made of a document, that knows where in it each character comes from."""

    __slots__ = (
        "_pieces",
        "_reading",
        "_starts",
        "is_backwards",
        "is_decoded",
        "is_loose",
        "only_across",
        "text",
    )

    def __init__(
        self,
        text: str,
        pieces: list[Piece],
        *,
        is_loose: bool = False,
        is_decoded: bool = False,
        is_backwards: bool = False,
        only_across: bool = False,
    ) -> None:
        self.text = text
        self._pieces = pieces
        self._reading: Reading | None = None
        self._starts = [piece.start for piece in pieces]
        self.is_loose = is_loose  # may be chance: only what has a distinct form counts
        self.is_decoded = is_decoded  # each piece is what one encoded part says
        self.is_backwards = is_backwards
        self.only_across = only_across  # only what crosses a seam counts: the rest is seen before

    @property
    def reading(self) -> Reading:
        """The text, for engines."""
        if self._reading is None:
            self._reading = Reading(self.text)
        return self._reading

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where in the document the characters from `start` to `end` come from."""
        if self.is_backwards:
            start, end = len(self.text) - end, len(self.text) - start
        first = self._pieces[bisect_right(self._starts, start) - 1]
        last = self._pieces[bisect_right(self._starts, end - 1) - 1]
        begins = first.first + (start - first.start if first.is_exact else 0)
        ends = last.first + (end - last.start) if last.is_exact else last.last
        return begins, max(begins, ends)

    def crosses(self, start: int, end: int) -> bool:
        """Whether these characters come from more than one piece."""
        return bisect_right(self._starts, start) != bisect_right(self._starts, end - 1)

    def is_of_whole_texts(self, start: int, end: int) -> bool:
        """Whether nothing else stands in the strings that these characters come from."""
        begins = start in self._seams() or self.text[start - 1 : start] == '"'
        return begins and (end in self._seams() or self.text[end : end + 1] == '"')

    def _seams(self) -> frozenset[int]:
        return frozenset(self._starts)

    def places(self) -> list[tuple[int, int]]:
        """The parts of the document that it shows."""
        return [(piece.first, piece.last) for piece in self._pieces]


def whole(text: str) -> Sight:
    """A document as it is."""
    return Sight(text, [Piece(0, 0, len(text), True)])


def backwards(sight: Sight) -> Sight:
    """Read from the end."""
    text = _ascii(sight.reading)[::-1].decode()
    return Sight(text, sight._pieces, is_loose=True, is_backwards=True)


def _ascii(reading: Reading) -> bytes:
    """Character by character, with a `?` for each that no key holds."""
    return reading.body if reading.is_ascii else reading.text.encode("ascii", "replace")


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ROT13 = bytes.maketrans(_LETTERS.encode(), codecs.encode(_LETTERS, "rot13").encode())


def rotated(sight: Sight) -> Sight:
    """Letters moved by 13."""
    body = _ascii(sight.reading).translate(_ROT13)
    return Sight(body.decode(), sight._pieces, is_loose=True)


# Quotes as they stand in the document, or in JSON in a string in it, and so on.
_QUOTE = r'\\*"'
_SPACE = r"(?:\s|\\+[nrt])*"
_BLOCKS_MEET = r"@_\},_\{_@type@:_@text@,_@text@:_@".replace("_", _SPACE).replace("@", _QUOTE)
_SEAMS = Form(f"{_BLOCKS_MEET}|{_QUOTE},{_SPACE}{_QUOTE}")  # blocks of content; items of a list
_ITEM = rf'{_SPACE}{_QUOTE}[^"]*"{_SPACE}'
NEIGHBOURS = Form(rf"{_BLOCKS_MEET}|[\[,]{_ITEM},{_ITEM}[,\]]")


def joined(sight: Sight) -> Sight | None:
    """Texts that stand next to each other as one; None where none do."""
    if not NEIGHBOURS.is_in(sight.reading):
        return None
    text = sight.text
    seams = [
        (start, end, "")
        for start, end in _SEAMS.places(sight.reading)
        if text[(closing := text.find('"', end)) + 1 : closing + 2] != ":"  # no key follows
    ]
    # What is far from any seam is seen without it, but for keys of many lines, which have a head.
    # Lines are kept together: they may be those of packed data.
    made = _replaced(sight, seams, is_cut="PRIVATE KEY" not in text, ends=' "')
    return made and Sight(made.text, made._pieces, is_loose=True, only_across=True)


# Letters that look like Latin ones; read so only next to an ASCII letter or digit.
_TWINS = {
    **dict(
        zip("аеорсухіјѕԁһӏкмтвнАЕОРСУХІЈЅКМТВН", "aeopcyxijsdhlkmtbhAEOPCYXIJSKMTBH", strict=True)
    ),
    **dict(zip("αεορτυικνΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeoptuikvABEZHIKMNOPTYX", strict=True)),
}
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0001\U000e007f\U000e0100-\U000e01ef"
)
_BLOCKS = (
    range(0xA0, 0xC0),
    range(0x2000, 0x20A0),
    range(0x2100, 0x2190),
    range(0x2460, 0x2500),
    range(0xFE50, 0xFE70),
    range(0xFF00, 0xFFF0),
    range(0x1D400, 0x1D800),
    range(0x1F100, 0x1F1F0),
)


def _plain_forms() -> dict[str, str]:
    forms = {chr(0xE0000 + code): chr(code) for code in range(0x20, 0x7F)}  # tag characters
    for code in (code for block in _BLOCKS for code in block):
        plain = unicodedata.normalize("NFKC", chr(code))
        is_telling = len(plain) == 1 or any(c.isalnum() for c in plain)  # not so of an ellipsis
        if plain.isascii() and is_telling:
            forms[chr(code)] = plain
    return forms


_PLAIN = _plain_forms()
_ODD = _INVISIBLE + "".join(_PLAIN)
_T = "".join(_TWINS)
_PERCENT = r"%[0-9A-Fa-f]{2}"
_ESCAPE = r"\\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[0nrt\"'/\\])"
_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"

SOFT_ASCII = Form(rf"(?:{_PERCENT})+|(?:{_ESCAPE})+|(?:{_ENTITY})+")
SOFT = Form(
    rf"(?:{_PERCENT})+|(?:{_ESCAPE})+|(?:{_ENTITY})+|[{_ODD}]+"
    rf"|(?:[A-Za-z0-9]+[{_T}]|[{_T}]+[A-Za-z0-9])[A-Za-z0-9{_T}]*"
)
_ONE_ESCAPE = re.compile(_ESCAPE)
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "0": ""}


def softened(sight: Sight) -> Sight | None:
    """Without escapes, entities and percent signs, invisible characters, and odd forms of letters.

    None where there are none.
    """
    text, reading = sight.text, sight.reading
    places = (SOFT_ASCII if reading.is_ascii else SOFT).places(reading)
    changes = ((start, end, _plainly(text[start:end])) for start, end in places)
    return _replaced(sight, changes, is_cut=True)


def _plainly(text: str) -> str:
    first = text[0]
    if first == "%":
        return unquote(text)
    if first == "\\":
        return _unescaped(text)
    if first == "&":
        return html.unescape(text)
    if first.isascii() or first in _TWINS:
        return "".join(_TWINS.get(character, character) for character in text)
    return "".join(_PLAIN.get(character, "") for character in text)


def _unescaped(text: str) -> str:
    plain = _ONE_ESCAPE.sub(lambda match: _character(match.group()[1:]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: str) -> str:
    if escape[0] in "ux" and len(escape) > 1:
        code = int(escape[1:].strip("{}"), 16)
        return chr(code) if code <= 0x10FFFF else ""
    return _NAMED.get(escape, escape)


def _replaced(
    sight: Sight,
    changes: Iterable[tuple[int, int, str]],
    *,
    is_cut: bool = False,
    ends: str = ' \n"',
) -> Sight | None:
    """A sight with parts of the text replaced; None where nothing is.

    `is_cut`: what is far from any change is left out, up to one of the characters `ends`; it has
    been seen as it is.
    """
    made = _Making(sight, ends)
    text = sight.text
    reached = 0
    for start, end, plain in changes:
        if is_cut:
            made.keep_ends(reached, start)
        else:
            made.keep(reached, start)
        made.put(plain, sight.origin(start, end))
        reached = end
    if not reached:
        return None
    made.keep(reached, _after(text, reached, len(text), ends) if is_cut else len(text))
    if not made.pieces:
        return None
    text = "".join(made.parts)
    return Sight(text, made.pieces, is_loose=sight.is_loose, only_across=sight.only_across)


class _Making:
    """A sight in the making."""

    def __init__(self, sight: Sight, ends: str) -> None:
        self._sight = sight
        self._ends = ends
        self._length = 0
        self.parts: list[str] = []
        self.pieces: list[Piece] = []

    def keep(self, start: int, end: int) -> None:
        if start < end:
            self.pieces += _kept(self._sight, start, end, self._length)
            self.parts.append(self._sight.text[start:end])
            self._length += end - start

    def keep_ends(self, start: int, end: int) -> None:
        """Of what lies between two changes, what is near to either."""
        text = self._sight.text
        if end - start <= 2 * NEAR:
            self.keep(start, end)
            return
        first = _after(text, start, end, self._ends) if self.parts else start
        last = max(first, _before(text, start, end, self._ends))
        self.keep(start, first)
        if first < last and self.parts:
            self.put("\n", self._sight.origin(first, first + 1))
        self.keep(last, end)

    def put(self, text: str, origin: tuple[int, int]) -> None:
        if text:
            self.pieces.append(Piece(self._length, *origin, False))
            self.parts.append(text)
            self._length += len(text)


NEAR = 512
"""How far around a change a text is read again, in characters; then to the end of the word."""


def _after(text: str, start: int, end: int, ends: str) -> int:
    places = (text.find(one, start + NEAR, end) for one in ends)
    return min((place for place in places if place >= 0), default=end)


def _before(text: str, start: int, end: int, ends: str) -> int:
    return max(0, start, *(text.rfind(one, start, max(end - NEAR, 0)) for one in ends))


def _kept(sight: Sight, start: int, end: int, at: int) -> Iterable[Piece]:
    """The pieces of an unchanged part, which now begins at `at`."""
    index = bisect_right(sight._starts, start) - 1
    while index < len(sight._pieces) and sight._pieces[index].start < end:
        piece = sight._pieces[index]
        skipped = max(0, start - piece.start)
        first = piece.first + skipped if piece.is_exact else piece.first
        yield Piece(at + max(0, piece.start - start), first, piece.last, piece.is_exact)
        index += 1
