"""Where a `$ref` inside one JSON Schema leads: only what every reader finds at the same place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from callgate.model import Json

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # an identifier that every base leaves as it is


class Unresolved(ValueError):  # noqa: N818 - a finding about a schema
    """A reference whose meaning is not certain. The message completes "the schema …"."""


class References:
    """The references of one schema document, each looked up once."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._names: dict[str, Json] | None = None  # once there is a reference
        self._found: dict[str, Json] = {}
        self._lost: dict[str, str] = {}

    def find(self, reference: Json) -> Json:
        """What a reference means. Raises Unresolved: remote, malformed, ambiguous or not there."""
        if not isinstance(reference, str):
            raise Unresolved("has a reference that cannot be followed")
        if reference not in self._found and reference not in self._lost:
            try:
                self._found[reference] = self._resolve(reference)
            except Unresolved as problem:
                self._lost[reference] = str(problem)
        if reference in self._lost:
            raise Unresolved(self._lost[reference])
        return self._found[reference]

    def _resolve(self, reference: str) -> Json:
        if not reference.isprintable():
            raise Unresolved("has a reference that cannot be followed")
        names = self._names_of_root()
        if reference in names:
            return names[reference]
        if not reference.startswith("#/") or "#" not in names:
            raise Unresolved(f"refers to {reference[:80]!r}, which cannot be followed")
        node: Json = self._root
        for part in unquote(reference[2:]).split("/"):
            node = _step(node, part.replace("~1", "/").replace("~0", "~"))
        return node

    def _names_of_root(self) -> dict[str, Json]:
        if self._names is None:
            if "" in self._lost:
                raise Unresolved(self._lost[""])
            try:
                self._names = _names(self._root)
            except Unresolved as problem:
                self._lost[""] = str(problem)  # "" is the root's own name, and as uncertain
                raise
        return self._names


def _step(node: Json, step: str) -> Json:
    if isinstance(node, dict) and step in node:
        return node[step]
    if isinstance(node, list) and len(step) < 9 and step.isdecimal() and int(step) < len(node):
        return node[int(step)]
    raise Unresolved(f"refers to {step[:80]!r}, which is not there")


def _names(root: dict[str, Json]) -> dict[str, Json]:
    """Every node that has a name, by how a reference says it; "#" where pointers mean the root.

    A part with an identifier is a document of its own, in which `#` means that part. Raises
    Unresolved where a name means two nodes or changes what other names mean.
    """
    identifiers = ("$id", "id") if "draft-04" in str(root.get("$schema"))[:80] else ("$id",)
    names: dict[str, Json] = {}
    pending: list[Json] = [root]
    has_parts = False
    while pending:
        node = pending.pop()
        inside = node.values() if isinstance(node, dict) else node
        pending.extend(item for item in inside if isinstance(item, dict | list))
        for name in _names_of(node, identifiers) if isinstance(node, dict) else ():
            if node is not root and name[0] != "#":
                has_parts = True
                if _PLAIN.fullmatch(name) is None:
                    raise Unresolved(f"has a part with the identifier {name[:80]!r}")
            if names.setdefault(name, node) is not node:
                raise Unresolved(f"has the name {name[:80]!r} twice")
    if has_parts:
        return {name: node for name, node in names.items() if name[0] != "#"}
    return {**names, "#": root, "": root}


def _names_of(node: dict[str, Json], identifiers: tuple[str, ...]) -> Iterator[str]:
    for key in ("$anchor", "$dynamicAnchor"):
        if isinstance(node.get(key), str):
            yield "#" + node[key]
    for key in identifiers:
        if isinstance(node.get(key), str) and node[key]:
            yield node[key]
