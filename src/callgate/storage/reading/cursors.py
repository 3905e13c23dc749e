"""Where the next page begins, in one opaque word: what was seen of each log."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from callgate.audit.place import MAX_LOG, MAX_SEQ
from callgate.model import Value
from callgate.ports import CursorError

MOST_CHARACTERS = 100_000


class Standing(Value):
    """How far a walk has come in one log, which it reads backwards."""

    seen: int  # everything from this seq on has been looked at
    end: int  # the seq that came next when the walk began: what came later is not part of it


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, list[tuple[int, int, int]]]).decode
_FORM = 1


def written(standings: Mapping[int, Standing]) -> str:
    """The cursor, safe in a URL."""
    content = [(log, at.seen, at.end) for log, at in sorted(standings.items()) if at.end]
    return base64.urlsafe_b64encode(_encode((_FORM, content))).decode().rstrip("=")


def read(cursor: str) -> dict[int, Standing]:
    """What `written` wrote. Raises CursorError."""
    fault = "this is no cursor of a page: give the `next` of the page before, as it was"
    try:
        if len(cursor) > MOST_CHARACTERS:
            raise CursorError(fault)
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        form, standings = _decode(content)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise CursorError(fault) from None
    is_sound = form == _FORM and all(
        0 < log <= MAX_LOG and 0 <= seen <= end <= MAX_SEQ for log, seen, end in standings
    )
    if not is_sound:
        raise CursorError(fault)
    return {log: Standing(seen=seen, end=end) for log, seen, end in standings}
