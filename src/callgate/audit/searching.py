"""Full-text search over arguments, results and reasons: what a word is, and who finds what."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from callgate.model import Json, Value

LONGEST_WORD = 64  # letters; what is longer is cut, in the record as in the search
MOST_TERMS = 32
MOST_WORDS = 50_000  # of one call: what comes after is not searched
MOST_LETTERS = MOST_WORDS * 8  # the same, in another measure

# Scripts without spaces: each sign is a word, so that a search finds it anywhere (as a phrase).
_SIGN = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Japanese, Chinese
)
_ASCII = re.compile(r"[a-z0-9]+")
_WORD = re.compile(rf"[{_SIGN}]|[^\W_{_SIGN}]+")
_TERM = re.compile(r'(-?)(?:"([^"]*)"(\*?)|([^\s"]+))')


class SearchError(ValueError):
    """What was searched for is not a search; the message says what would be."""


class Term(Value):
    """Words that follow each other; the last one may be a beginning."""

    words: tuple[str, ...]
    is_prefix: bool = False


class Search(Value):
    """Every term of `wanted` is there, and none of `unwanted`."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, written: str) -> Search:
        """`wire transfer` (both words), `"wire transfer"` (as a phrase), `trans*`, `-draft`.

        Anything else in it is no syntax: `ada@example.com` is the phrase of its words. SearchError.
        """
        if written.count('"') % 2:
            raise SearchError("the search has a double quote without its other half")
        wanted: list[Term] = []
        unwanted: list[Term] = []
        for sign, phrase, star, word in _TERM.findall(written):
            text, is_prefix = (phrase, bool(star)) if phrase else (word, word.endswith("*"))
            if found := tuple(words(text)):
                (unwanted if sign else wanted).append(Term(words=found, is_prefix=is_prefix))
        if not wanted:
            raise SearchError(
                "the search has no word to look for (letters or digits)"
                if not unwanted
                else "the search only says what is not wanted; add a word to look for"
            )
        if len(wanted) + len(unwanted) > MOST_TERMS:
            raise SearchError(f"the search has more than {MOST_TERMS} words or phrases")
        return cls(wanted=tuple(wanted), unwanted=tuple(unwanted))

    def finds(self, texts: Iterable[str]) -> bool:
        """Whether these texts, taken together, are found. A phrase stands within one text."""
        within = [list(words(text)) for text in bounded(texts)]
        return all(_has(within, term) for term in self.wanted) and not any(
            _has(within, term) for term in self.unwanted
        )


def words(text: str) -> Iterator[str]:
    """The words of a text as they are searched: without case, accents and punctuation."""
    if text.isascii():
        for found in _ASCII.findall(text.lower()):
            yield found[:LONGEST_WORD]
        return
    # Some letters have a case only once they are taken apart, and fold to some that can be.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    for found in _WORD.findall(unicodedata.normalize("NFC", bare)):
        yield found[:LONGEST_WORD]


def texts_of(call: dict[str, Json]) -> Iterator[str]:
    """All that is searched of a call, or of one of its entries: values, not the names of fields."""
    decision = call.get("decision") or {}
    said: list[Json] = [call.get(name) for name in ("arguments", "content", "reason", "detail")]
    said += (decision.get("reason"), decision.get("errors"))
    said += (flip.get("reason") for flip in decision.get("flips") or ())
    said += (change.get("note") for change in call.get("changes") or ())
    return texts_within(said)


def texts_within(said: list[Json]) -> Iterator[str]:
    """All that is searched of some values, in order. Takes the list apart."""
    said.reverse()
    while said:
        value = said.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            said += reversed(value.values())
        elif isinstance(value, list):
            said += reversed(value)
        elif value is not None and not isinstance(value, bool):
            yield str(value)


def bounded(texts: Iterable[str]) -> Iterator[str]:
    """The texts, as far as they are searched: up to about MOST_WORDS words."""
    room = MOST_LETTERS
    for text in texts:
        yield text[:room]
        room -= len(text)
        if room <= 0:
            return


def _has(texts: Sequence[list[str]], term: Term) -> bool:
    first, *_ = term.words
    size = len(term.words)
    for found in texts:
        start = -1
        while True:
            try:
                start = _next(found, first, start + 1, is_prefix=term.is_prefix and size == 1)
            except ValueError:
                break
            if _fits(found[start : start + size], term):
                return True
    return False


def _next(found: list[str], word: str, start: int, *, is_prefix: bool) -> int:
    if not is_prefix:
        return found.index(word, start)
    for i in range(start, len(found)):
        if found[i].startswith(word):
            return i
    raise ValueError


def _fits(piece: list[str], term: Term) -> bool:
    if len(piece) < len(term.words) or tuple(piece[:-1]) != term.words[:-1]:
        return False
    last = term.words[-1]
    return piece[-1].startswith(last) if term.is_prefix else piece[-1] == last
