"""How much work a JSON Schema can make of one value: targets write them, we pay for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from callgate.model import Json
from callgate.protocol.references import References, Unresolved

MAX_NODES = 20_000  # of a schema, every reference followed once per place that refers to it
MAX_EVALUATIONS = 100_000  # of one value, where a schema refers to itself
MAX_LEADS = 200_000  # places inside a value that all nodes together lead to: what we keep in mind

_SAME_LIST = ("allOf", "anyOf", "oneOf")  # applied to the same value
_SAME = ("not", "if", "then", "else")
_SAME_MAP = ("dependentSchemas", "dependencies")
_CHILD_MAP = ("properties", "patternProperties")  # applied to what is inside it
_OBJECT_CHILD = ("additionalProperties", "unevaluatedProperties")
_ARRAY_CHILD = ("items", "contains", "unevaluatedItems", "additionalItems", "prefixItems")


class TooMuch(ValueError):  # noqa: N818 - a finding about a schema
    """The schema can make more work than we do for one call."""


def max_depth(schema: Json) -> int | None:
    """How deep a value may be nested so that checking it stays cheap; None where that is free.

    The danger is a schema that applies two branches to one value, each of which comes back to
    where it began one level deeper: then every level doubles the work. Raises TooMuch for a schema
    that is too large once its references are followed, or that has a reference which the validator
    might follow elsewhere: what is not measured is not bounded.
    """
    survey = _Survey(schema)
    survey.measure(schema)
    if not survey.is_recursive or survey.widest < 2:
        return None
    return max(1, int(math.log(MAX_EVALUATIONS) / math.log(survey.widest)))


class _Survey:
    """Walks a schema once per node, following references, adding up what each node leads to."""

    def __init__(self, root: Json) -> None:
        self.is_recursive = False
        self.widest = 1  # branches of one node that go on to the same place inside a value
        self._references = References(root)
        self._sizes: dict[int, int] = {}
        self._leads: dict[int, Counter[str]] = {}
        self._open: set[int] = set()
        self._lead_count = 0

    def measure(self, node: Json) -> int:
        """The nodes that `node` unfolds to. Raises TooMuch."""
        if not isinstance(node, dict):
            return 1
        key = id(node)
        if key in self._open:
            self.is_recursive = True
            return 1
        if key not in self._sizes:
            self._open.add(key)
            try:
                size = self._unfold(node)
            except RecursionError:
                raise TooMuch("is nested too deeply") from None
            self._open.discard(key)
            self._leads_of(node)
            self._sizes[key] = size
        return self._sizes[key]

    def _unfold(self, node: dict[str, Json]) -> int:
        size = 1
        for _, part in self._parts(node):
            size += self.measure(part)
            if size > MAX_NODES:  # at once: the parts that follow may be many and as large
                raise TooMuch(f"unfolds to more than {MAX_NODES} parts")
        return size

    def _leads_of(self, node: dict[str, Json]) -> Counter[str]:
        """Where inside a value the node and its branches go on, and how many of them each time."""
        key = id(node)
        if key in self._leads:
            return self._leads[key]
        leads = self._leads[key] = Counter()
        for place, part in self._parts(node):
            if place is not None:
                leads[place] += 1
            elif isinstance(part, dict):
                leads.update(self._leads_of(part))
        self._lead_count += len(leads)
        if self._lead_count > MAX_LEADS:
            raise TooMuch(f"leads to more than {MAX_LEADS} places inside a value")
        wild = leads["{}"]  # judges named properties too, where another branch names them
        named = max((count for place, count in leads.items() if place[0] == "/"), default=0)
        self.widest = max(self.widest, named + wild, leads["[]"])
        return leads

    def _parts(self, node: dict[str, Json]) -> Iterator[tuple[str | None, Json]]:
        """Subschemas: with None where they judge the same value, else with the place inside it."""
        for keyword, value in node.items():
            if keyword in _SAME:
                yield None, value
            elif keyword in _SAME_LIST and isinstance(value, list):
                yield from ((None, part) for part in value)
            elif keyword in _SAME_MAP and isinstance(value, dict):
                yield from ((None, part) for part in value.values())
            elif keyword in _CHILD_MAP and isinstance(value, dict):
                wild = keyword == "patternProperties"
                yield from (("{}" if wild else f"/{name}", part) for name, part in value.items())
            elif keyword in _OBJECT_CHILD:
                yield "{}", value
            elif keyword == "propertyNames":
                yield "name", value  # judges strings: nothing is inside them
            elif keyword in _ARRAY_CHILD:
                parts = value if isinstance(value, list) else [value]
                yield from (("[]", part) for part in parts)
            elif keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
                yield None, self._found(value)

    def _found(self, reference: Json) -> Json:
        try:
            return self._references.find(reference)
        except Unresolved as problem:
            raise TooMuch(str(problem)) from None


def depth_of(value: Json, limit: int) -> int:
    """How deep a value is nested, counting no further than `limit` + 1."""
    level: list[Json] = [value]
    depth = 0
    while level and depth <= limit:
        inside: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                inside.extend(item.values())
            elif isinstance(item, list):
                inside.extend(item)
        if not inside:
            break
        depth += 1
        level = inside
    return depth
