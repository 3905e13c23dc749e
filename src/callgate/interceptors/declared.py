"""What a JSON Schema declares of a value: its undeclared members, and the value without them."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.model import Json
from callgate.protocol.references import References, Unresolved

MAX_NODES = 2_000  # that judge one place of a value
MAX_REMEMBERED = 5_000

_SAME = ("if", "then", "else")
_SAME_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_MAPS = ("dependentSchemas", "dependencies")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_OPEN = ("additionalProperties", "unevaluatedProperties")
_ITEMS = ("items", "additionalItems", "unevaluatedItems", "contains")

Nodes = tuple[dict[str, Json], ...]
Place = tuple[str | int, ...]


class Undeclarable(ValueError):  # noqa: N818 - a finding about a schema
    """What the schema declares cannot be told. The message completes "the schema …"."""


class Declared:
    """The members of objects that a schema names, or says that it leaves open.

    An object is open where a schema for it has `additionalProperties` or `patternProperties`
    that let others in, or names no member at all. Every branch of a schema counts, whichever of
    them a value fits: a member is declared where some branch names it.
    """

    def __init__(self, schema: Json) -> None:
        self._references = References(schema)
        self._inner: dict[tuple[int, str | int], Nodes] = {}  # by the identity of kept nodes
        self._kept: dict[int, Nodes] = {}
        self._root = self._same(schema)

    @property
    def is_closed(self) -> bool:
        """Whether anything at all is undeclared in an object."""
        return not _is_open(self._root)

    def undeclared(self, value: Json) -> Iterator[Place]:
        """The place of every member that is not declared, outermost first. Raises Undeclarable."""
        pending: list[tuple[Place, Nodes, Json]] = [((), self._root, value)]
        while pending:
            place, nodes, item = pending.pop()
            if isinstance(item, dict):
                for key, inner in item.items():
                    if _names(nodes, key):
                        pending.append(((*place, key), self._member(nodes, key), inner))
                    else:
                        yield (*place, key)
            elif isinstance(item, list):
                for index, inner in enumerate(item):
                    pending.append(((*place, index), self._item(nodes, index), inner))

    def project(self, value: Json) -> Json:
        """The value with declared members only. Raises Undeclarable."""
        return self._projected(self._root, value)

    def _projected(self, nodes: Nodes, value: Json) -> Json:
        if isinstance(value, dict):
            return {
                key: self._projected(self._member(nodes, key), inner)
                for key, inner in value.items()
                if _names(nodes, key)
            }
        if isinstance(value, list):
            return [
                self._projected(self._item(nodes, index), inner)
                for index, inner in enumerate(value)
            ]
        return value

    def _same(self, *schemas: Json) -> Nodes:
        """Every schema that judges the same value, references and branches followed."""
        found: dict[int, dict[str, Json]] = {}
        pending = list(schemas)
        while pending:
            node = pending.pop()
            if not isinstance(node, dict) or id(node) in found:
                continue
            found[id(node)] = node
            if len(found) > MAX_NODES:
                raise Undeclarable(f"has more than {MAX_NODES} parts for one value")
            pending += [node[key] for key in _SAME if key in node]
            pending += [one for key in _SAME_LISTS for one in _list(node.get(key))]
            pending += [one for key in _SAME_MAPS for one in _map(node.get(key)).values()]
            pending += [self._found(node[key]) for key in _REFERENCES if key in node]
        return tuple(found.values())

    def _found(self, reference: Json) -> Json:
        try:
            return self._references.find(reference)
        except Unresolved as problem:
            raise Undeclarable(str(problem)) from None

    def _member(self, nodes: Nodes, key: str) -> Nodes:
        """What judges the member of an object."""
        return self._inner.get((id(nodes), key)) or self._remembered(
            nodes, key, self._same(*_schemas_of_member(nodes, key))
        )

    def _item(self, nodes: Nodes, index: int) -> Nodes:
        """What judges an item of a list."""
        known = max((len(_first(node)) for node in nodes), default=0)
        place = min(index, known)  # all items after those with a schema of their own are alike
        return self._inner.get((id(nodes), place)) or self._remembered(
            nodes, place, self._same(*_schemas_of_item(nodes, place))
        )

    def _remembered(self, nodes: Nodes, place: str | int, found: Nodes) -> Nodes:
        if len(self._inner) >= MAX_REMEMBERED:  # an open object may have any member
            self._inner.clear()
            self._kept.clear()
        self._inner[id(nodes), place] = found
        self._kept[id(nodes)] = nodes  # so that its identity stays its own
        return found


def _schemas_of_member(nodes: Nodes, key: str) -> Iterator[Json]:
    for node in nodes:
        named = _map(node.get("properties")).get(key)
        if named is not None:
            yield named
        else:
            yield from _map(node.get("patternProperties")).values()
            yield from (node.get(word) for word in _OPEN)


def _schemas_of_item(nodes: Nodes, index: int) -> Iterator[Json]:
    for node in nodes:
        first = _first(node)
        if index < len(first):
            yield first[index]
        else:
            yield from (node.get(word) for word in _ITEMS)


def _first(node: dict[str, Json]) -> list[Json]:
    """The schemas of the first items, one each."""
    return _list(node.get("prefixItems")) or _list(node.get("items"))


def _names(nodes: Nodes, key: str) -> bool:
    """Whether some schema names the member, or the object is open."""
    return any(key in _map(node.get("properties")) for node in nodes) or _is_open(nodes)


def _is_open(nodes: Nodes) -> bool:
    """Whether an object may hold members that are not named."""
    is_closed = False
    for node in nodes:
        words = [node.get(word) for word in _OPEN]
        if node.get("patternProperties") or any(word or word == {} for word in words):
            return True
        is_closed = is_closed or bool(_map(node.get("properties"))) or False in words
    return not is_closed


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _map(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
