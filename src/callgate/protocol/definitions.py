"""What a target says a tool is: fit to be offered or not, and the digest it is known by."""

from __future__ import annotations

import hashlib

import msgspec
import rfc8785

from callgate.model import Json, Tool
from callgate.protocol.headers import mirrored
from callgate.protocol.methods import METHODS

MAX_NAME_CHARACTERS = 256
_sorted = msgspec.json.Encoder(order="sorted").encode


class Unusable(Exception):  # noqa: N818 - a finding about a tool, not our fault
    """The tool cannot be offered; the message completes `The tool X …`."""


def read_tool(target: str, definition: dict[str, Json]) -> Tool:
    """The tool in one entry of tools/list, kept exactly as it is. Raises Unusable."""
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        raise Unusable("has no name")
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise Unusable("has a name that is too long or holds unprintable characters")
    if name in METHODS:
        # INVARIANT: in policy, `<target>___<name>` is the method.
        raise Unusable("is named like a method of MCP, which policies could not tell from it")
    schema = definition.get("inputSchema", {"type": "object"})
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise Unusable("has an input schema that is not of type object")
    try:
        paths = mirrored(schema)
    except ValueError as error:
        # 2026-07-28, "Custom headers": such a tool must not be offered.
        raise Unusable(f"breaks the rules of mirrored headers: {error}") from None
    return Tool(
        target=target, name=name, definition=definition, digest=digest(definition), mirrored=paths
    )


def digest(definition: dict[str, Json]) -> str:
    """sha256 of the canonical JSON (RFC 8785), hex. Raises Unusable where there is none."""
    try:
        canonical = rfc8785.dumps(definition)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError):
        # Integers beyond 2^53 have no canonical form; sorted keys are as good a fingerprint.
        try:
            canonical = _sorted(definition)
        except (ValueError, RecursionError):
            raise Unusable("has a definition that cannot be written as JSON") from None
    return hashlib.sha256(canonical).hexdigest()
