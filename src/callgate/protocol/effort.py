"""How much work a JSON Schema can make of one value: targets write them, we pay for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from callgate.model import Json

MAX_NODES = 20_000  # of a schema, every reference followed once per place that refers to it
MAX_EVALUATIONS = 100_000  # of one value, where a schema refers to itself

_SAME_LIST = ("allOf", "anyOf", "oneOf")  # applied to the same value
_SAME = ("not", "if", "then", "else")
_SAME_MAP = ("dependentSchemas",)
_CHILD_MAP = ("properties", "patternProperties")  # applied to what is inside it
_OBJECT_CHILD = ("additionalProperties", "unevaluatedProperties")
_ARRAY_CHILD = ("items", "contains", "unevaluatedItems", "additionalItems", "prefixItems")


class TooMuch(ValueError):  # noqa: N818 - a finding about a schema
    """The schema can make more work than we do for one call."""


def max_depth(schema: Json) -> int | None:
    """How deep a value may be nested so that checking it stays cheap; None where that is free.

    The danger is a schema that applies two branches to one value, each of which comes back to
    where it began one level deeper: then every level doubles the work. Raises TooMuch for a schema
    that is too large once its references are followed.
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
        self._root = root
        self._sizes: dict[int, int] = {}
        self._leads: dict[int, Counter[str]] = {}
        self._open: set[int] = set()

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
                size = 1 + sum(self.measure(part) for _, part in self._parts(node))
            except RecursionError:
                raise TooMuch("is nested too deeply") from None
            self._open.discard(key)
            self._leads_of(node)
            if size > MAX_NODES:
                raise TooMuch(f"unfolds to more than {MAX_NODES} parts")
            self._sizes[key] = size
        return self._sizes[key]

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
            elif keyword in _ARRAY_CHILD:
                parts = value if isinstance(value, list) else [value]
                yield from (("[]", part) for part in parts)
            elif keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
                yield None, self._resolve(value)

    def _resolve(self, reference: Json) -> Json:
        """What a reference within the schema means. Others are refused when it is compiled."""
        if reference == "#":
            return self._root
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return self._anchored(reference)
        node: Json = self._root
        for part in reference[2:].split("/"):
            step = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
                node = node[int(step)]
            else:
                node = node.get(step) if isinstance(node, dict) else None
        return node

    def _anchored(self, reference: Json) -> Json:
        """The definition with this anchor or id; the root where it is not clear which is meant."""
        name = reference.removeprefix("#") if isinstance(reference, str) else None
        for definitions in (self._root.get("$defs"), self._root.get("definitions")):
            for node in definitions.values() if isinstance(definitions, dict) else ():
                if isinstance(node, dict) and name in (
                    node.get("$anchor"),
                    node.get("$dynamicAnchor"),
                    node.get("$id"),
                ):
                    return node
        return self._root


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
