"""The routing headers of 2026-07-28: their codec, and whether they say what the body says."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from callgate.model import Json
from callgate.protocol.eras import HEADER_MISMATCH, META_VERSION
from callgate.protocol.jsonrpc import Malformed, Message

VERSION = "mcp-protocol-version"
METHOD = "mcp-method"
NAME = "mcp-name"
PARAM_PREFIX = "mcp-param-"
ANNOTATION = "x-mcp-header"
ROUTING = frozenset({VERSION, METHOD, NAME})
NAME_FIELDS: Mapping[str, str] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}

_ENCODED = "=?base64?"
_SENTINEL = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_SAFE = re.compile(r"[\x20-\x7e]*")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_INTEGER = re.compile(r"-?[0-9]+(\.0+)?")

Path = tuple[str, ...]


def encode_value(text: str) -> str:
    """A header value that survives HTTP: plain where it can be, else `=?base64?…?=`."""
    if _SAFE.fullmatch(text) and text == text.strip() and not _SENTINEL.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode('ascii')}?="


def decode_value(value: str) -> str | None:
    """The inverse; None for a malformed sentinel, which then matches nothing."""
    match = _SENTINEL.fullmatch(value)
    if match is None:
        return value
    try:
        raw = base64.b64decode(match[1], validate=True)
        return raw.decode() if base64.b64encode(raw).decode("ascii") == match[1] else None
    except ValueError:  # not base64, not ASCII, not UTF-8
        return None


def mirrored(schema: Json) -> dict[Path, str]:
    """Property path → header token of every `x-mcp-header` in an input schema.

    Raises ValueError where an annotation breaks the rules: off the pure `properties` chain, not a
    token, not on string/integer/boolean, or not unique.
    """
    found: dict[Path, str] = {}
    taken: set[str] = set()
    for path, subschema in _positions(schema):
        if ANNOTATION not in subschema:
            continue
        token = subschema[ANNOTATION]
        where = ".".join(path or ()) or "the schema"
        if not path:
            raise ValueError(f"{ANNOTATION} stands where no chain of properties leads")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ValueError(f"{where}: {ANNOTATION} is not a header token")
        if subschema.get("type") not in ("string", "integer", "boolean"):
            raise ValueError(f"{where}: {ANNOTATION} needs a string, integer or boolean property")
        if token.lower() in taken:
            raise ValueError(f"{where}: {ANNOTATION} {token!r} is used twice")
        taken.add(token.lower())
        found[path] = token
    return found


def _positions(root: Json) -> Iterator[tuple[Path | None, Mapping[str, Json]]]:
    pending: list[tuple[Path | None, Json]] = [((), root)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, list):
            pending.extend((None, item) for item in node)
        elif isinstance(node, dict):
            yield path, node
            for key, value in node.items():
                if key == "properties" and isinstance(value, dict):
                    step = path
                    pending.extend(
                        ((*step, name) if step is not None else None, sub)
                        for name, sub in value.items()
                    )
                elif key not in ("default", "const", "enum", "examples"):
                    pending.append((None, value))


def param_headers(paths: Mapping[Path, str], arguments: Json) -> dict[str, str]:
    """The `Mcp-Param-*` headers that a call with these arguments must carry."""
    headers: dict[str, str] = {}
    for path, token in paths.items():
        text = _text(_at(arguments, path))
        if text is not None:
            headers[f"Mcp-Param-{token}"] = encode_value(text)
    return headers


def _at(value: Json, path: Path) -> Json:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Json) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def check_routing(message: Message, version: Json, headers: Mapping[str, list[str]]) -> None:
    """Refuses a request whose headers say anything else than its body. Raises Malformed."""
    field = NAME_FIELDS.get(message.method or "")
    _check(message, VERSION, version, headers)
    _check(message, METHOD, message.method, headers)
    if field is not None:
        _check(message, NAME, message.params.get(field), headers)
    elif len(headers.get(NAME, ())) > 1:
        raise _mismatch(message, f"The header {NAME} was sent more than once.")


def _check(message: Message, name: str, value: Json, headers: Mapping[str, list[str]]) -> None:
    sent = headers.get(name)
    if sent == [value] and not value.startswith(_ENCODED):
        return
    if not sent:
        raise _mismatch(message, f"The header {name} is missing; it must repeat the body.")
    if len(sent) > 1:
        raise _mismatch(message, f"The header {name} was sent more than once.")
    if not isinstance(value, str) or decode_value(sent[0]) != value:
        raise _mismatch(message, f"The header {name} does not say what the body says.")


def check_params(
    message: Message, paths: Mapping[Path, str], headers: Mapping[str, list[str]]
) -> None:
    """Refuses `Mcp-Param-*` headers that differ from the arguments. Raises Malformed."""
    arguments = message.params.get("arguments")
    for path, token in paths.items():
        sent = headers.get(PARAM_PREFIX + token.lower(), [])
        value = _at(arguments, path)
        text = _text(value)
        if len(sent) > 1 or (text is None) != (not sent):
            raise _mismatch(message, f"The header Mcp-Param-{token} must repeat the argument once.")
        if text is not None and not _same(decode_value(sent[0]), text, value):
            raise _mismatch(message, f"The header Mcp-Param-{token} differs from the argument.")


def _same(sent: str | None, text: str, value: Json) -> bool:
    if sent is None or sent == text:
        return sent == text
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and _INTEGER.fullmatch(sent) is not None and Decimal(sent) == value


def _mismatch(message: Message, reason: str) -> Malformed:
    return Malformed(HEADER_MISMATCH, reason, message_id=message.id)


def names_modern_version(meta: Mapping[str, Json]) -> bool:
    """Whether a request's `_meta` claims the modern envelope."""
    return META_VERSION in meta
