"""What one value can still be: numbers, texts and sets, cut down by one test after another."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from callgate.policy.wildcards import Pattern, exactly, fits, is_possible

NO_NUMBERS: frozenset[int] = frozenset()
NO_TEXTS: frozenset[str] = frozenset()
NO_PATTERNS: frozenset[Pattern] = frozenset()
Scalar: TypeAlias = int | str  # truths are 0 and 1, decimals count ten-thousandths

OPPOSITES = {
    "in": "not in",
    "not in": "in",
    "like": "unlike",
    "unlike": "like",
    "holds": "lacks",
    "lacks": "holds",
    "empty": "filled",
    "filled": "empty",
}
"""Each test that has an opposite of the same operand. Of a number: `<=` n is not `>=` n + 1."""


class Numbers(NamedTuple):
    """Whole numbers between bounds; truths and decimals too."""

    low: int
    high: int
    options: frozenset[int] | None = None
    excluded: frozenset[int] = NO_NUMBERS

    def met(self, operator: str, operand: Any) -> Numbers | None:
        """Those that pass a test; None where there are none."""
        low, high, options, excluded = self
        if isinstance(operand, int):
            if operator == "<=":
                high = min(high, operand)
            else:
                low = max(low, operand)
        elif operator == "in":
            options = operand if options is None else options & operand
        else:
            excluded |= operand
        if options is not None:
            options = frozenset(n for n in options if low <= n <= high and n not in excluded)
            return Numbers(low, high, options) if options else None
        while low in excluded and low <= high:
            low += 1
        while high in excluded and low <= high:
            high -= 1
        return Numbers(low, high, None, excluded) if low <= high else None

    def has(self, number: Any) -> bool:
        """Whether the number is one of them."""
        if self.options is not None:
            return number in self.options
        return self.low <= number <= self.high and number not in self.excluded

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to find out: there is such a number."""
        return True


class Texts(NamedTuple):
    """Texts, as far as constants and patterns tell them apart."""

    options: frozenset[str] | None = None
    excluded: frozenset[str] = NO_TEXTS
    fitting: tuple[frozenset[Pattern], ...] = ()  # one of each set
    missing: frozenset[Pattern] = NO_PATTERNS

    def met(self, operator: str, operand: Any) -> Texts | None:
        """Those that pass a test; None where there are surely none."""
        options, excluded, fitting, missing = self
        match operator:
            case "in":
                options = operand if options is None else options & operand
            case "not in":
                excluded = excluded | operand
            case "like":
                some = frozenset({operand}) if isinstance(operand, tuple) else operand
                fitting = fitting if some in fitting else (*fitting, some)
            case _:
                missing = missing | {operand}
        if options is None:
            return Texts(None, excluded, fitting, missing)
        left = frozenset(text for text in options if _passes(text, excluded, fitting, missing))
        return Texts(left) if left else None

    def has(self, text: Any) -> bool:
        """Whether the text is one of them."""
        if self.options is not None:
            return text in self.options
        return _passes(text, self.excluded, self.fitting, self.missing)

    @property
    def is_settled(self) -> bool:
        """Whether there is such a text; also where that takes too long to find out."""
        if self.options is not None or not (self.fitting or self.missing):
            return True
        return is_possible(self.fitting, self.missing | {exactly(text) for text in self.excluded})


def _passes(
    text: str,
    excluded: frozenset[str],
    fitting: tuple[frozenset[Pattern], ...],
    missing: frozenset[Pattern],
) -> bool:
    return (
        text not in excluded
        and all(any(fits(text, pattern) for pattern in some) for some in fitting)
        and not any(fits(text, pattern) for pattern in missing)
    )


class Sets(NamedTuple):
    """Sets of scalars, as far as single elements tell them apart."""

    elements: Numbers | Texts
    holds: frozenset[Scalar] = frozenset()
    lacks: frozenset[Scalar] = frozenset()
    is_empty: bool | None = None

    def met(self, operator: str, operand: Any) -> Sets | None:
        """Those that pass a test; None where there are surely none."""
        elements, holds, lacks, is_empty = self
        wanted: bool | None = is_empty
        if operator == "holds":
            holds, wanted = holds | {operand}, False
        elif operator == "lacks":
            lacks = lacks | {operand}
        else:
            wanted = operator == "empty"
        if is_empty is not None and wanted is not is_empty:
            return None
        is_empty = wanted
        if holds & lacks or (holds and is_empty):
            return None
        if any(not elements.has(one) for one in holds):
            return None
        if is_empty is False and not holds and elements.met("not in", lacks) is None:
            return None
        return Sets(elements, holds, lacks, is_empty)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to find out: there is such a set."""
        return True


Domain: TypeAlias = Numbers | Texts | Sets
