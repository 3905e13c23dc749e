"""Strict JSON-RPC: bytes in, one unambiguous message out, or a clear reason why not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from callgate.model import Json, Value

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
# Application codes must stay outside -32768..-32000 (2026-07-28, "Error codes").
REFUSED = -33001

MAX_SAFE_INTEGER = 2**53 - 1  # RFC 7493 §2.2: what every JSON reader holds exactly
MAX_NUMBER_CHARACTERS = 64

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""Any JSON value → compact UTF-8 bytes. The only serialiser on the call path."""

# A search for sixteen digits by a pattern takes ten times as long.
_DIGITS_AS_ONE = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_DIGITS = b"0" * 16
# Possessive, and the closing quote may be missing: linear in time and constant in memory.
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class Malformed(Exception):  # noqa: N818 - a finding about the peer's message, not our fault
    """The message cannot be taken. `code` is the JSON-RPC error code, `reason` names the fix."""

    def __init__(self, code: int, reason: str, *, message_id: Json = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.message_id = message_id


class Message(Value):
    """One JSON-RPC message: a request (method and id), a notification (method) or a response."""

    id: Json = None
    method: str | None = None
    params: dict[str, Json] = {}
    is_response: bool = False
    result: Json = None  # of a response: one of the two is what was answered
    error: Json = None


def parse_json(body: bytes, *, max_depth: int = 64) -> Json:
    """The one JSON value in `body` under I-JSON rules (RFC 7493). Raises Malformed.

    Refused: duplicate keys, NaN and infinities, integers beyond ±(2^53-1), decimals that a double
    does not hold, lone surrogates, NUL, nesting over `max_depth`.

    Fast where the bytes are what we would write ourselves: a text equal to its own
    re-serialisation cannot hide a duplicate key, a lost digit or an odd escape.
    """
    try:
        value = _decode(body)
        if (
            encode(value) == body
            and body.count(b"{") + body.count(b"[") <= max_depth
            and body.find(b"\\u0000") < 0  # `in` costs twice as much: it tries a number first
            and body.translate(_DIGITS_AS_ONE).find(_LONG_DIGITS) < 0
        ):
            return value
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # the strict reader below says what is wrong
    return _parse_strictly(body, max_depth)


def _parse_strictly(body: bytes, max_depth: int) -> Json:
    _check_depth(body, max_depth)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(PARSE_ERROR, f"The body is not UTF-8 (byte {error.start}).") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_decimal,
            parse_int=_integer,
        )
        again = encode(value)
    except json.JSONDecodeError as error:
        raise Malformed(
            PARSE_ERROR, f"The body is not JSON: {error.msg} at character {error.pos}."
        ) from None
    except UnicodeEncodeError:
        raise Malformed(
            PARSE_ERROR, "A string holds a lone surrogate; send valid Unicode."
        ) from None
    except RecursionError:
        raise Malformed(PARSE_ERROR, f"The body is nested deeper than {max_depth}.") from None
    if b"\\u0000" in again and _has_nul(value):
        raise Malformed(PARSE_ERROR, "A string holds the NUL character; remove it.")
    return value


def _check_depth(body: bytes, max_depth: int) -> None:
    depth = 0
    for token in _STRUCTURE.finditer(body):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                raise Malformed(PARSE_ERROR, f"The body is nested deeper than {max_depth}.")
        elif first in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Malformed(PARSE_ERROR, f"The key {key[:80]!r} appears twice in one object.")
            seen.add(key)
    return value


def _constant(name: str) -> NoReturn:
    raise Malformed(PARSE_ERROR, f"{name} is not JSON; send null or a string.")


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARACTERS or not -MAX_SAFE_INTEGER <= int(text) <= MAX_SAFE_INTEGER:
        raise Malformed(
            PARSE_ERROR,
            f"The number {text[:24]} does not survive a round trip; send it as a string.",
        )
    return int(text)


def _decimal(text: str) -> float:
    value = float(text)
    if len(text) > MAX_NUMBER_CHARACTERS or not math.isfinite(value) or not _is_exact(value, text):
        raise Malformed(
            PARSE_ERROR,
            f"The number {text[:24]} does not survive a round trip; send it as a string.",
        )
    return value


def _is_exact(value: float, text: str) -> bool:
    try:
        return Decimal(repr(value)) == Decimal(text)
    except InvalidOperation:
        return False  # an exponent that not even Decimal holds


def _has_nul(value: Json) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)


def read_message(value: Json) -> Message:
    """The JSON-RPC 2.0 message in a parsed JSON value. Raises Malformed."""
    if isinstance(value, list):
        raise Malformed(INVALID_REQUEST, "Batches are not supported; send one message per request.")
    if not isinstance(value, dict):
        raise Malformed(INVALID_REQUEST, "A JSON-RPC message is an object.")
    message_id, method = value.get("id"), value.get("method")
    if type(message_id) is not int and type(message_id) is not str and "id" in value:
        raise Malformed(INVALID_REQUEST, "`id` must be a string or an integer.")
    if value.get("jsonrpc") != "2.0":
        raise Malformed(INVALID_REQUEST, '`jsonrpc` must be "2.0".', message_id=message_id)
    if method is None and "method" not in value:
        return _read_response(value, message_id)
    if not isinstance(method, str):
        raise Malformed(INVALID_REQUEST, "`method` must be a string.", message_id=message_id)
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise Malformed(INVALID_PARAMS, "`params` must be an object.", message_id=message_id)
    return Message(id=message_id, method=method, params=params)


def _read_response(value: dict[str, Json], message_id: Json) -> Message:
    if message_id is None or ("result" in value) == ("error" in value):
        raise Malformed(INVALID_REQUEST, "The message is neither a request nor a response.")
    return Message(
        id=message_id, is_response=True, result=value.get("result"), error=value.get("error")
    )


def response(message_id: Json, result: Json | msgspec.Raw) -> bytes:
    """A successful JSON-RPC response; `result` may be raw JSON bytes in msgspec.Raw."""
    return encode({"jsonrpc": "2.0", "id": message_id, "result": result})


def error_response(message_id: Json, code: int, message: str, data: Json | None = None) -> bytes:
    """A JSON-RPC error response."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return encode({"jsonrpc": "2.0", "id": message_id, "error": error})


def notification(method: str, params: dict[str, Json]) -> bytes:
    """A JSON-RPC notification."""
    return encode({"jsonrpc": "2.0", "method": method, "params": params})


def find_key(value: Json, names: Iterable[str]) -> str | None:
    """The first of `names` that is an object key anywhere in the value; None where none is."""
    wanted = frozenset(names)
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            for key in item:
                if key in wanted:
                    return str(key)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return None
