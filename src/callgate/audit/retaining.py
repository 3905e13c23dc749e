"""How long what is kept: rules by class of content, of which the first that fits decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from callgate.audit.erasure import ERASED, WITHDRAWN, What
from callgate.audit.event import POLICIES_DEFINED, PRINCIPAL_DESCRIBED, TOOL_DEFINED
from callgate.audit.holds import HOLD_PLACED, HOLD_RELEASED
from callgate.audit.rotation import KEY_CHANGED
from callgate.audit.selecting import Facts, Selector
from callgate.model import Json, Value

Kept = Literal["payloads", "calls", "events"]

# Without these the record could not be verified, or not be read: they have nothing of calls.
LASTING = frozenset(
    {
        ERASED, WITHDRAWN, HOLD_PLACED, HOLD_RELEASED, KEY_CHANGED, "chain_carried_over",
        TOOL_DEFINED, POLICIES_DEFINED,
    }
)  # fmt: skip
CALLS = ("intent", "outcome")


class Rule(Value):
    """How long records of one class are kept that the selector covers."""

    kept: Kept
    seconds: float
    selector: Selector = Selector()

    def in_words(self, age: str) -> str:
        """For the event, and for the log."""
        of = "" if self.selector.is_all else f" of {self.selector.in_words()}"
        return f"{self.kept}{of} are kept for {age}"


class Tally(Value):
    """What was found, and erased where that was asked for."""

    entries: int = 0
    calls: int = 0
    held: int = 0  # calls that a hold keeps
    open: int = 0  # calls that have not ended

    def told(self) -> dict[str, Json]:
        """As answers have it."""
        return {
            "entries": self.entries,
            "calls": self.calls,
            "held": self.held,
            "open": self.open,
        }


def is_of(kept: Kept, facts: Facts) -> bool:
    """Whether the record has content of this class at all."""
    if kept == "events":
        return facts.kind == "event" and facts.code not in LASTING | {PRINCIPAL_DESCRIBED}
    return facts.kind in CALLS


def decides(rules: Sequence[Rule], number: int, facts: Facts) -> bool:
    """Whether this rule, and none before it, says how long the record's content is kept."""
    rule = rules[number]
    return (
        is_of(rule.kept, facts)
        and rule.selector.covers(facts)
        and not any(one.kept == rule.kept and one.selector.covers(facts) for one in rules[:number])
    )


def what_of(kept: Kept) -> What:
    """What is erased of a record."""
    return "payload" if kept == "payloads" else "body"


def fingerprint(rules: Sequence[Rule], number: int, released: int) -> str:
    """Names how far this rule has come. Other rules before it, or a hold less: it begins anew."""
    said = msgspec.json.encode([rules[: number + 1], released])
    return hashlib.sha256(said).hexdigest()[:24]
