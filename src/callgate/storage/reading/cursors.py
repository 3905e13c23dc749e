"""Where the next page begins, in one opaque word: what was seen of each log."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from callgate.audit.place import MAX_LOG, MAX_SEQ
from callgate.model import Value
from callgate.ports import CursorError, Positions

MOST_CHARACTERS = 100_000
_FAULT = "this is no cursor of such a page: give the `next` of the page before, as it was"


class Standing(Value):
    """How far a walk has come in one log, which it reads backwards."""

    seen: int  # everything from this seq on has been looked at
    end: int  # the seq that came next when the walk began: what came later is not part of it


_PAGE, _LIVE = 1, 2  # forms of cursors
_Content = list[tuple[int, int, int]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, _Content]).decode


def written(standings: Mapping[int, Standing]) -> str:
    """The cursor of a walk backwards, safe in a URL."""
    return _written(_PAGE, [(log, at.seen, at.end) for log, at in standings.items() if at.end])


def read(cursor: str) -> dict[int, Standing]:
    """What `written` wrote. Raises CursorError."""
    return {log: Standing(seen=seen, end=end) for log, seen, end in _read(_PAGE, cursor)}


def of_positions(positions: Positions) -> str:
    """The cursor of somebody who reads on, safe in a URL."""
    return _written(_LIVE, [(log, seq, seq) for log, seq in positions.items() if seq])


def positions(cursor: str) -> dict[int, int]:
    """What `of_positions` wrote. Raises CursorError."""
    return {log: seq for log, seq, _ in _read(_LIVE, cursor)}


def _written(form: int, content: _Content) -> str:
    return base64.urlsafe_b64encode(_encode((form, sorted(content)))).decode().rstrip("=")


def _read(form: int, cursor: str) -> _Content:
    try:
        if len(cursor) > MOST_CHARACTERS:
            raise CursorError(_FAULT)
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        found, content = _decode(raw)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise CursorError(_FAULT) from None
    is_sound = found == form and all(
        0 < log <= MAX_LOG and 0 <= seen <= end <= MAX_SEQ for log, seen, end in content
    )
    if not is_sound:
        raise CursorError(_FAULT)
    return content
