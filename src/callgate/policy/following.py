"""What an input schema says at one place: references followed, null beside it left out."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.model import Json
from callgate.protocol.references import References, Unresolved

MAX_REFERENCES = 16
# Only of these is it known that a keyword means what it says: `const` means nothing in draft 4.
_KNOWN_DRAFTS = ("2020-12", "2019-09", "draft-07", "draft-06")


class Document:
    """One tool's input schema.

    INVARIANT: what is told of a place holds of every value that the gateway lets through there; of
    what may not hold in some draft, or beside a reference, nothing is told.
    """

    def __init__(self, schema: Json) -> None:
        root = schema if isinstance(schema, Mapping) else {}
        self._references = References(root)
        draft = str(root.get("$schema", "2020-12"))[:100]
        is_usable = "$ref" not in root and any(known in draft for known in _KNOWN_DRAFTS)
        self.top: Mapping[str, Json] | None = root if is_usable else None

    def resolved(self, schema: Json) -> Mapping[str, Json] | None:
        """The schema behind references, and beside `null`, which policy sees as absent.

        None where nothing can be told.
        """
        for _ in range(MAX_REFERENCES):
            if not isinstance(schema, Mapping):
                return None
            if "$ref" in schema:
                try:
                    schema = self._references.find(schema["$ref"])
                except Unresolved:
                    return None
                continue
            branches = schema.get("anyOf", schema.get("oneOf", schema.get("allOf")))
            if not isinstance(branches, list) or "type" in schema or "enum" in schema:
                return schema
            real = [branch for branch in branches if branch != {"type": "null"}]
            if len(real) != 1:
                return None
            schema = real[0]
        return None

    def member(self, schema: Mapping[str, Json] | None, name: str) -> Mapping[str, Json] | None:
        """The place of a property."""
        properties = schema.get("properties") if schema is not None else None
        found = properties.get(name) if isinstance(properties, Mapping) else None
        return self.resolved(found)

    def items(self, schema: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
        """The place of the items of an array; None where the first ones have their own."""
        if schema is None or "prefixItems" in schema:
            return None
        return self.resolved(schema.get("items"))
