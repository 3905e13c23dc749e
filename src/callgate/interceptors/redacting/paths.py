"""Places in a JSON value: `customer.email`, `items[*].card`, `$..iban`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.model import Value

ANY = "*"
DEEP = "**"

Step = str | int

_STEP = re.compile(
    r"""\.\.(?=[^.\[])|\.\.(?=\[)|\.|\[(?P<index>\d+|\*)\]|\['(?P<quoted>[^']*)'\]"""
    r"""|\["(?P<doubly>[^"]*)"\]|(?P<name>[^.\[\]]+)"""
)


class PathError(ValueError):
    """A path cannot be read; the message names what is wrong."""


class Path(Value):
    """Steps from the root: keys, `*` for any key or item, `**` for any number of steps."""

    steps: tuple[str, ...]
    literal: frozenset[int] = frozenset()  # steps that were quoted: a `*` there is a key

    @classmethod
    def parse(cls, text: str) -> Path:
        """Dotted as in `store.mask`, or JSONPath's `$`, `[0]`, `[*]`, `['a.b']`, `..`."""
        rest = text.removeprefix("$")
        steps: list[str] = []
        literal: set[int] = set()
        place = 0
        while place < len(rest):
            match = _STEP.match(rest, place)
            if match is None:
                raise PathError(f"not a path: {text!r} (at {rest[place:]!r})")
            place = match.end()
            if match.group() == "..":
                steps.append(DEEP)
            elif match.group() != ".":
                quoted = match.group("quoted") or match.group("doubly")
                if quoted is not None:
                    literal.add(len(steps))
                steps.append(quoted or match.group("index") or match.group("name") or "")
        if not steps or steps[-1] == DEEP:
            raise PathError(f"not a path: {text!r} names no field")
        return cls(steps=tuple(steps), literal=frozenset(literal))

    def rest_after(self, step: Step) -> list[Path]:
        """What is left to go after one step from here; nothing where it leads elsewhere."""
        head = self.steps[0]
        if head == DEEP and 0 not in self.literal:
            return [self, *self._shorter().rest_after(step)]
        is_right = head == str(step) or (head == ANY and 0 not in self.literal)
        return [self._shorter()] if is_right else []

    def _shorter(self) -> Path:
        literal = frozenset(place - 1 for place in self.literal if place > 0)
        return Path(steps=self.steps[1:], literal=literal)

    @property
    def is_over(self) -> bool:
        """Whether this is the place."""
        return not self.steps

    def covers(self, way: Sequence[Step]) -> bool:
        """Whether this way from the root leads to the place, or to something in it."""
        left = [self]
        for step in way:
            left = [rest for path in left for rest in path.rest_after(step)]
            if any(path.is_over for path in left):
                return True
        return False
