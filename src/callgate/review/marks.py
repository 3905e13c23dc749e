"""What of a value can be met again elsewhere: whole, in other words for the same, and in parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from callgate.audit.identifying import keys, squeezed, tokens
from callgate.audit.unveiling import folded, views
from callgate.review.leaves import Leaf

MIN_WHOLE = 4  # letters of a text that is met again whole
MIN_DIGITS = 4  # significant ones of a number that is met again under another name
MIN_NAMED = 10  # a number from here on is met again under the same name
MIN_PART = 14  # letters of four words in a row
MIN_LONG = 12  # letters of a name or an address
MIN_LONG_WORD = 20  # … where they are nothing but letters
MAX_TEXT = 1 << 20  # characters of one text that are looked at
MAX_VIEWED = 1 << 16  # … beneath encodings
MIN_VIEWED = 8  # fewer hold nothing that would be met again

_WORD = re.compile(r"[^\W_]+")
_LONG = re.compile(r"[^\W_]+(?:[-_./:@+~][^\W_]+)+|[^\W_]{12,}")
_NUMBER = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-+]?\d+(?:\.\d+)?")
_ANY_DIGIT = re.compile("[0-9]")
_DIGITS = re.compile(r"\d[\d.,]{3,}")
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[tT ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[zZ]|[+-]\d{2}:?\d{2})?)?"
)
_OTHER_DATES = (
    (re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b"), ("d", "m", "y")),
    (re.compile(r"\b(\d{4})/(\d{1,2})/(\d{1,2})\b"), ("y", "m", "d")),
    (re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)?\s+([a-z]{3,9})\.?,?\s+(\d{4})\b"), ("d", "n", "y")),
    (re.compile(r"\b([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b"), ("n", "d", "y")),
)  # fmt: skip
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = (978_307_200, 4_102_444_800)  # seconds: 2001 to 2100
_COMMON = frozenset(
    word
    for words in (
        "true false null none yes no ok okay error success active inactive open closed pending",
        "done default unknown other test main master public private text json html utf-8 high",
        "medium low name email date time user type value",
    )
    for word in words.split()
)


class Mark(NamedTuple):
    """One thing that can be met again."""

    kind: str  # whole | number | named | date | token
    key: str | bytes
    weight: int  # letters it stands for


def marks(leaf: Leaf) -> Iterator[Mark]:
    """The marks of one scalar, as it stands."""
    if isinstance(leaf.value, str):
        yield from _of_text(leaf.value[:MAX_TEXT], leaf.field)
    else:
        yield from _of_number(Decimal(str(leaf.value)), leaf.field)
        yield from _of_epoch(leaf.value)


def hidden_marks(leaf: Leaf) -> Iterator[tuple[Mark, str]]:
    """The marks of what a text holds beneath encodings, and how it is encoded."""
    if not isinstance(leaf.value, str) or not MIN_VIEWED <= len(leaf.value) <= MAX_VIEWED:
        return
    for view in views(leaf.value):
        if view.text:
            for mark in _of_text(view.text[:MAX_VIEWED], leaf.field):
                yield mark, view.way


def _of_text(text: str, field: str) -> Iterator[Mark]:
    plain = folded(text)
    words = plain.split()
    whole = " ".join(words)
    if len(whole) >= MIN_WHOLE and whole not in _COMMON and not _ISO.fullmatch(whole):
        yield Mark("whole", whole, len(whole))
    if len(whole) <= 32 and _NUMBER.fullmatch(whole):
        yield from _number_in(whole, field)
    for found in set(_DIGITS.findall(plain)) if len(whole) > 4 else ():
        yield from _number_in(found.rstrip(".,"), "")
    if _ANY_DIGIT.search(plain):
        yield from _dates(plain)
    for token in tokens(plain) | keys(plain) | set(_long(words)):
        yield Mark("token", token, len(token))


def _long(words: list[str]) -> Iterator[bytes]:
    """Names, addresses and paths that are long enough to be no word."""
    for word in words:
        if len(word) < MIN_LONG:
            continue
        for found in _LONG.findall(word):
            key = squeezed(found)
            is_name = not found.isalpha() or len(key) >= MIN_LONG_WORD
            if len(key) >= MIN_LONG and is_name and not _ISO.fullmatch(found):
                yield key


Part = tuple[str, ...]


def parts(text: str) -> set[Part]:
    """Every few words in a row of a text: a piece that was copied shares some of them."""
    if len(text) < MIN_PART:
        return set()
    words = _WORD.findall(folded(text[:MAX_TEXT]))
    return set(zip(words, words[1:], words[2:], words[3:], strict=False))


def weight_of(part: Part) -> int:
    """How many letters there are in it; 0 where they are too few to mean anything."""
    letters = sum(map(len, part))
    return letters if letters >= MIN_PART else 0


def _number_in(text: str, field: str) -> Iterator[Mark]:
    try:
        yield from _of_number(Decimal(text.replace(",", "")), field)
    except InvalidOperation:
        return


def _of_number(number: Decimal, field: str) -> Iterator[Mark]:
    if not number.is_finite():
        return
    plain = number.normalize()
    digits = "".join(map(str, plain.as_tuple().digits))
    if len(digits) >= MIN_DIGITS and not _is_year(number):
        yield Mark(
            "number", f"{plain:f}" if abs(plain.adjusted()) < 40 else str(plain), len(digits)
        )
    elif field and abs(number) >= MIN_NAMED:
        yield Mark("named", f"{field.casefold()}={plain:f}", len(digits))


def _is_year(number: Decimal) -> bool:
    return number == number.to_integral_value() and 1900 <= number <= 2100


def _of_epoch(value: int | float) -> Iterator[Mark]:
    for unit in (1, 1000):
        if _EPOCH[0] <= value / unit < _EPOCH[1]:
            yield Mark("date", f"{value / unit:.3f}", 10)


def _dates(plain: str) -> Iterator[Mark]:
    for found in _ISO.findall(plain):
        yield from _iso(found)
    for form, order in _OTHER_DATES:
        for groups in form.findall(plain):
            yield from _written(dict(zip(order, groups, strict=True)))


def _iso(text: str) -> Iterator[Mark]:
    try:
        if len(text) == 10:
            yield Mark("date", date.fromisoformat(text).isoformat(), 8)
            return
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return
    yield Mark("date", f"{(at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp():.3f}", 14)


def _written(parts: dict[str, str]) -> Iterator[Mark]:
    month = parts.get("m") or ""
    if "n" in parts:
        named = parts["n"][:3]
        month = str(_MONTHS.index(named) + 1) if named in _MONTHS else ""
    try:
        yield Mark("date", date(int(parts["y"]), int(month), int(parts["d"])).isoformat(), 8)
    except ValueError:
        return
