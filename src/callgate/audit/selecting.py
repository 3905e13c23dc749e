"""Which records are meant where some are kept, held or erased: by who, what, and when."""

from __future__ import annotations

import re
from functools import lru_cache

from callgate.audit.record import column
from callgate.model import Json, Value

NAMES = ("principal", "agent", "run", "call", "target", "tool")


class Facts(Value):
    """What the columns of one record say."""

    position: int
    kind: str
    call: str
    at: float
    run: str | None = None
    principal: str | None = None
    agent: str | None = None
    target: str | None = None
    tool: str | None = None
    code: str | None = None  # of events their name


class Selector(Value):
    """All that is said must be so; `*` stands for any characters. Nothing said: every record."""

    principal: str | None = None
    agent: str | None = None
    run: str | None = None
    call: str | None = None
    target: str | None = None
    tool: str | None = None
    since: float | None = None  # seconds since the epoch
    until: float | None = None  # before that

    @property
    def is_all(self) -> bool:
        """Whether it leaves nothing out."""
        return self == Selector()

    def covers(self, facts: Facts) -> bool:
        """Whether the record is meant."""
        if self.since is not None and facts.at < self.since:
            return False
        if self.until is not None and facts.at >= self.until:
            return False
        return all(
            _fits(pattern, getattr(facts, name))
            for name in NAMES
            if (pattern := getattr(self, name)) is not None
        )

    def told(self) -> dict[str, Json]:
        """What is said, as events and answers have it."""
        found = {name: getattr(self, name) for name in (*NAMES, "since", "until")}
        return {name: value for name, value in found.items() if value is not None}

    def in_words(self) -> str:
        """For people."""
        said = [f"{name} {value}" for name, value in self.told().items()]
        return ", ".join(said) or "everything"


def selector_of(said: Json) -> Selector:
    """What `told` gave. Raises ValueError: what cannot be read must not come to mean less."""
    if not isinstance(said, dict) or set(said) - {*NAMES, "since", "until"}:
        raise ValueError("a selector is an object with " + ", ".join((*NAMES, "since", "until")))
    for name, value in said.items():
        is_time = name in ("since", "until")
        if isinstance(value, bool) or not isinstance(value, (int, float) if is_time else str):
            raise ValueError(f"`{name}` must be {'a number of seconds' if is_time else 'a text'}")
        if value == "":
            raise ValueError(f"`{name}` is empty")
    return Selector(**said)


def _fits(pattern: str, value: str | None) -> bool:
    if value is None:
        return False
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Columns are cut: a longer name is known by its beginning.
    cut = column(pattern) or ""
    return re.compile(".*".join(re.escape(part) for part in cut.split("*")), re.DOTALL)
