"""The rule `near_limit`: calls that stay just within what policy lets, but not together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callgate.model import Json
from callgate.review.finding import Bound, Finding, Scene, Severity, at
from callgate.review.steps import Step

NEAR = 0.8  # of the bound: from here on it is near
MIN_NEAR = 3  # calls that are near it
SHARE = 0.5  # of the calls that went through: where amounts vary freely, some are near by chance
MIN_SPLIT, MOST_SPLIT = 2, 10  # calls that together make what was refused


def find(scene: Scene) -> Iterator[Finding]:
    """One for each bound of a tool that counts: a maximum that a policy compares with."""
    for bound in scene.bounds:
        steps = scene.by_tool.get(bound.tool, ())
        valued = [
            (step, value) for step in steps if (value := _at(step.arguments, bound)) is not None
        ]
        if bound.number <= 0 or not valued:
            continue
        yield from _split(bound, valued) or _near(bound, valued)


_Valued = Sequence[tuple[Step, float]]


def _near(bound: Bound, valued: _Valued) -> list[Finding]:
    near = [
        (step, value)
        for step, value in valued
        if step.ran != "no" and NEAR * bound.number <= value <= bound.number
    ]
    through = sum(1 for step, _ in valued if step.ran != "no")
    total = sum(value for _, value in near)
    if len(near) < max(MIN_NEAR, SHARE * through) or total <= bound.number:
        return []
    values = {value for _, value in near}
    return [
        Finding(
            rule="near_limit",
            severity=Severity.NOTICE if len(values) == 1 else Severity.WARNING,
            sentence=(
                f"{len(near)} calls of {bound.tool} stayed just within {bound.number:g} "
                f"({'.'.join(bound.path)}, {bound.policy}) and came to {total:g} together."
            ),
            places=tuple(at(step, _pointer(bound)) for step, _ in near[:50]),
        )
    ]


def _split(bound: Bound, valued: _Valued) -> list[Finding]:
    """A value was refused; then it, or nearly it, went through in a few pieces."""
    for index, (refused, wanted) in enumerate(valued):
        if not refused.is_refused or wanted <= bound.number:
            continue
        pieces = _pieces(bound, refused, wanted, valued[index + 1 :])
        if pieces:
            total = sum(value for _, value in pieces)
            sentence = (
                f"{wanted:g} was refused to {bound.tool} ({'.'.join(bound.path)}); then "
                f"{len(pieces)} calls within {bound.number:g} came to {total:g}."
            )
            places = (refused, *(step for step, _ in pieces))
            return [
                Finding(
                    rule="near_limit",
                    severity=Severity.WARNING,
                    sentence=sentence,
                    places=tuple(at(step, _pointer(bound)) for step in places),
                )
            ]
    return []


def _pieces(bound: Bound, refused: Step, wanted: float, later: _Valued) -> _Valued:
    """The next calls of the same that together come near what was refused; none where they do not.

    What is beyond that belongs to it only while it does not exceed what was wanted.
    """
    pieces: list[tuple[Step, float]] = []
    total = 0.0
    for step, value in later:
        if step.ran == "no" or value > bound.number or not _is_alike(refused, step, bound):
            continue
        if len(pieces) == MOST_SPLIT or (total >= NEAR * wanted and total + value > wanted):
            break
        pieces.append((step, value))
        total += value
    return pieces if len(pieces) >= MIN_SPLIT and total >= NEAR * wanted else []


def _is_alike(refused: Step, step: Step, bound: Bound) -> bool:
    """Whether all other arguments are the same: it is the same thing in pieces."""
    one, other = refused.arguments, step.arguments
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    name = bound.path[0]
    texts = [(one[key], other.get(key)) for key in one if key != name and isinstance(one[key], str)]
    same = sum(1 for a, b in texts if a == b)
    return same * 2 >= len(texts)


def _at(arguments: Json, bound: Bound) -> float | None:
    value = arguments
    for name in bound.path:
        value = value.get(name) if isinstance(value, dict) else None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None


def _pointer(bound: Bound) -> str:
    return "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in bound.path)
