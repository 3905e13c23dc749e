"""Making a result small enough: texts are cut, what cannot be cut is left out, and it says so."""

from __future__ import annotations

from typing import Any

import msgspec

from callgate.model import Json

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode
_LONGEST_ESCAPE = 6  # \u0000
_NOTICE_BYTES = 260  # what the notice takes at most, with room for its block
_MIN_TEXT_BYTES = 32  # less of a text tells nobody anything


def cut(
    result: dict[str, Json], most: int, *, must_keep_structure: bool = False
) -> dict[str, Json] | None:
    """The result in at most so many bytes of JSON, with a notice; None where that cannot be.

    Known are results of tools, resources that were read, and errors. `structuredContent` is kept
    whole or left out: half of it would be no valid one. Where it must be kept and is too large,
    there is no smaller result.
    """
    size = len(_encode(result))
    if set(result) == {"error"}:
        return _cut_error(result["error"], most, size)
    key = next((key for key in ("content", "contents") if isinstance(result.get(key), list)), None)
    if key is None:
        return None
    kept = {name: value for name, value in result.items() if name != key}
    notice_bytes = _NOTICE_BYTES + len(_encode(_uri_of(result[key])))
    room = most - len(_encode({**kept, key: []})) - notice_bytes
    if "structuredContent" in kept and room < 0 and not must_keep_structure:
        del kept["structuredContent"]
        room = most - len(_encode({**kept, key: []})) - notice_bytes
    if room < 0:
        return None
    blocks, left_out = _fitting(result[key], room)
    gone = size - len(_encode({**kept, key: blocks}))
    is_structure_gone = "structuredContent" in result.keys() - kept
    notice = {"type": "text", "text": _notice(gone, size, left_out, is_structure_gone)}
    if key == "contents":
        notice = {"uri": _uri_of(result[key]), "mimeType": "text/plain", "text": notice["text"]}
    return {**kept, key: [*blocks, notice]}


def _uri_of(contents: list[Json]) -> str:
    """Where contents are from: the notice stands beside them."""
    uris = (block.get("uri") for block in contents if isinstance(block, dict))
    return next((uri for uri in uris if isinstance(uri, str)), "")


def _fitting(blocks: list[Json], room: int) -> tuple[list[Json], int]:
    """The blocks that fit, the last text cut to what is left; and how many are left out whole."""
    kept: list[Json] = []
    left_out = 0
    for block in blocks:
        size = len(_encode(block)) + 1
        if size <= room:
            kept.append(block)
            room -= size
            continue
        shorter = _shorter(block, room)
        if shorter is None:
            left_out += 1
        else:
            kept.append(shorter)
            room = 0  # nothing after a cut: what follows would seem to follow it
    return kept, left_out


def _shorter(block: Any, room: int) -> Json | None:
    """A block with less text; None where it has none, or nearly none would be left."""
    if not isinstance(block, dict):
        return None
    inner = block.get("resource")
    if isinstance(inner, dict):
        shorter = _shorter(inner, room - len(_encode({**block, "resource": None})))
        return None if shorter is None else {**block, "resource": shorter}
    text = block.get("text")
    if not isinstance(text, str):
        return None
    budget = room - 1 - len(_encode({**block, "text": ""}))
    start = cut_text(text, budget)
    return {**block, "text": start} if len(start) >= _MIN_TEXT_BYTES else None


def cut_text(text: str, most: int) -> str:
    """The longest start of a text that takes at most so many bytes in JSON, quotes left aside."""
    if most <= 0:
        return ""
    written = _encode(text[:most])[1:-1]  # no character takes less than a byte
    if len(written) <= most:
        return text[:most]
    return _decode(b'"' + written[: _boundary(written, most)] + b'"')


def _boundary(written: bytes, end: int) -> int:
    """The last place up to `end` that is not within a character or an escape."""
    while written[end] & 0xC0 == 0x80:  # goes on with a character
        end -= 1
    start = written.rfind(b"\\", max(end - _LONGEST_ESCAPE + 1, 0), end)
    if start < 0:
        return end
    before = written[: start + 1]
    is_escape = (len(before) - len(before.rstrip(b"\\"))) % 2 == 1  # else its own, of a backslash
    length = _LONGEST_ESCAPE if written[start + 1 : start + 2] == b"u" else 2
    return start if is_escape and start + length > end else end


def _cut_error(error: Any, most: int, size: int) -> dict[str, Json] | None:
    """A JSON-RPC error without its data, its message cut."""
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    kept = {key: value for key, value in error.items() if key in ("code", "message")}
    room = most - len(_encode({"error": {**kept, "message": ""}})) - _NOTICE_BYTES
    kept["message"] = cut_text(kept["message"], room)
    notice = _notice(size - len(_encode({"error": kept})), size, 0, is_structure_gone=False)
    kept["message"] += f" {notice}"
    return {"error": kept} if len(_encode({"error": kept})) <= most else None


def _notice(gone: int, size: int, left_out: int, is_structure_gone: bool) -> str:
    parts = [f"[Callgate: about {gone:,} of {size:,} bytes of this result are left out"]
    if left_out:
        parts.append(f", {left_out:,} whole block{'s' if left_out > 1 else ''} among them")
    if is_structure_gone:
        parts.append(", the structured form too")
    return "".join(parts) + ". Ask for less, or for the rest in parts.]"
