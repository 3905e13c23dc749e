"""A decision as the record has it: everything it rested on, and what of that is not known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from callgate.model import Json, Tool, Value
from callgate.policy.cases import Ruling
from callgate.policy.engine import Question
from callgate.policy.expressions import Chain
from callgate.protocol.jsonrpc import encode

Place = tuple[str | int, ...]
"""A place below `context`: ("input", "card", "number"), ("input", "items", 0)."""

ARGUMENTS: Place = ("input",)
ENRICHED: Place = ("enriched",)

# What a chain may name at a place beside keys of the value: one of several types, the text of it,
# and facts about it that depend on all that is in it.
_ALTERNATIVES = frozenset({"string", "boolean", "integer", "number", "array", "object"})
_OF_TEXT = frozenset({"json", "kind", "bytes", "count", "keys", "each"})


class Decision(Value):
    """One decision of policy, with the facts as they were."""

    call: str  # its id
    question: Question
    ruling: Ruling  # as it was recorded
    policies: tuple[str, ...] = ()  # that determined it, as recorded
    reason: str = ""
    version: str = ""  # of the policy set
    digest: str = ""  # sha256 of the arguments; "" where they are not known whole
    hidden: tuple[Place, ...] = ()  # places whose values the record does not tell
    knows_claims: bool = True
    knows_tool: bool = True  # False: `question.tool` is not as it was, for that is not known
    current: Tool | None = None  # as the tool is now, where that is to be gone by
    is_early: bool = False  # refused before interceptors saw it: the arguments are as given


class Left(Value):
    """A decision that cannot be made again, with as much as is known of it."""

    call: str
    at: float
    principal: str
    tool: str
    reason: str


def is_hidden(hidden: Iterable[Place], chains: Iterable[Chain]) -> bool:
    """Whether something that is read depends on a hidden place. In doubt it does."""
    chains = tuple(chains)
    return any(_touches(chain, place) for place in hidden for chain in chains)


def _touches(chain: Chain, place: Place) -> bool:
    if not chain:
        return True  # the whole context
    root, *steps = chain
    if root == "meta":
        return place[0] == "input"  # what is hidden may have been null, or had keys of its own
    if (root if root != "derived" else "input") != place[0]:
        return False
    at = 1
    for step in steps:
        if at == len(place) or isinstance(place[at], int):
            return True
        if step == place[at]:
            at += 1
        elif step in _OF_TEXT:
            return True
        elif step not in _ALTERNATIVES:
            return False
    return True


def places_of(value: Json, marker: str, place: Place = ()) -> Iterator[Place]:
    """Where a marker stands in the place of a value."""
    if value == marker and isinstance(value, str):
        yield place
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from places_of(item, marker, (*place, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places_of(item, marker, (*place, number))


def digest_of(arguments: Json) -> str:
    """The digest under which arguments are sealed: of the bytes that are sent."""
    return hashlib.sha256(encode(arguments)).hexdigest()
