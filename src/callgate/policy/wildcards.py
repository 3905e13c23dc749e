"""Cedar's `like` patterns as sets of texts: does one text fit several, and miss others?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from callgate.model import Json

MAX_STATES = 2_000  # of all patterns side by side; beyond, nothing is claimed

Pattern = tuple[str | None, ...]  # one character each; None is the wildcard
_OTHER = "\x00other"  # any character that no pattern names: there are always more of them


def pattern_of(pieces: Iterable[Json]) -> Pattern:
    """The pattern of a `like` in Cedar's JSON policy format; neighbouring wildcards are one."""
    found: list[str | None] = []
    for piece in pieces:
        if isinstance(piece, dict):
            found.extend(piece["Literal"])
        elif not found or found[-1] is not None:
            found.append(None)
    return tuple(found)


def exactly(text: str) -> Pattern:
    """The pattern that just one text fits."""
    return tuple(text)


def fits(text: Sequence[str], pattern: Pattern) -> bool:
    """Whether a text fits a pattern. Wildcards stand for any characters, line breaks too."""
    place = _start(pattern)
    for character in text:
        place = _step(pattern, place, character)
        if not place:
            return False
    return bool(place >> len(pattern) & 1)


def is_possible(fitting: tuple[frozenset[Pattern], ...], missing: frozenset[Pattern]) -> bool:
    """Whether some text fits one pattern of each set, and none of those to miss.

    True, too, where that takes too long to find out.
    """
    if (None,) in missing:
        return False
    if not fitting:
        return True  # a long text of characters that no pattern names
    return any(_is_witness(filled, fitting, missing) for filled in _fillings(fitting)) or (
        _is_reachable(fitting, missing)
    )


def _fillings(fitting: tuple[frozenset[Pattern], ...]) -> Iterable[list[str]]:
    """Some texts that are worth a try before all are searched."""
    for pattern in fitting[0]:
        yield [_OTHER if piece is None else piece for piece in pattern]
        yield [piece for piece in pattern if piece is not None]


def _is_witness(
    text: Sequence[str], fitting: tuple[frozenset[Pattern], ...], missing: frozenset[Pattern]
) -> bool:
    return all(any(fits(text, one) for one in some) for some in fitting) and not any(
        fits(text, one) for one in missing
    )


@lru_cache(4096)
def _is_reachable(fitting: tuple[frozenset[Pattern], ...], missing: frozenset[Pattern]) -> bool:
    """By walking all patterns at once, over each character that makes a difference."""
    patterns = sorted({one for some in (*fitting, missing) for one in some}, key=repr)
    index = {pattern: number for number, pattern in enumerate(patterns)}
    wanted = [[index[one] for one in some] for some in fitting]
    unwanted = [index[one] for one in missing]
    alphabet = [*sorted({piece for one in patterns for piece in one if piece}), _OTHER]

    def is_end(places: tuple[int, ...]) -> bool:
        ended = [bool(p >> len(one) & 1) for p, one in zip(places, patterns, strict=True)]
        return all(any(ended[one] for one in some) for some in wanted) and not any(
            ended[one] for one in unwanted
        )

    first = tuple(_start(pattern) for pattern in patterns)
    seen, open_ones = {first}, [first]
    while open_ones:
        places = open_ones.pop()
        if is_end(places):
            return True
        for character in alphabet:
            after = tuple(
                _step(one, place, character) for one, place in zip(patterns, places, strict=True)
            )
            if after not in seen and all(any(after[one] for one in some) for some in wanted):
                seen.add(after)
                open_ones.append(after)
        if len(seen) > MAX_STATES:
            return True
    return False


def _start(pattern: Pattern) -> int:
    """The places in a pattern where a text can stand before its first character, as bits."""
    return 3 if pattern and pattern[0] is None else 1


def _step(pattern: Pattern, places: int, character: str) -> int:
    """The places after one more character. After a wildcard's place always comes the next too."""
    after = 0
    for place, piece in enumerate(pattern):
        if not places >> place & 1:
            continue
        if piece is None:
            after |= 3 << place
        elif piece == character:
            follows = place + 1 < len(pattern) and pattern[place + 1] is None
            after |= (3 if follows else 1) << (place + 1)
    return after
