"""One entry of the record: what is hashed, what lies beside it, and what it is found by."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

import msgspec
from msgspec.structs import replace

from callgate.model import Json, Principal, Ran, Value
from callgate.protocol.jsonrpc import encode

FORMAT = 2  # of the body; a change that readers must know of raises it

INTERRUPTED = "interrupted"
INTERRUPTED_REASON = "The gateway ended before the outcome was known."

MAX_COLUMN_CHARACTERS = 500  # every database has some bound on what it can find things by
LARGEST_INTEGER = 2**64 - 1
UNWRITABLE = (OverflowError, RecursionError, TypeError, ValueError)  # Unicode is of the last
_decode = msgspec.json.Decoder().decode


class Telling(Protocol):
    """An entry, or what becomes one: told late, on the thread that writes it, many in a row.

    INVARIANT: nothing that it tells of changes any more.
    """

    @property
    def kind(self) -> str:
        """Of the entry."""

    @property
    def call_id(self) -> str:
        """Of the entry."""

    @property
    def ran(self) -> str | None:
        """Of the entry."""

    @property
    def most_bytes(self) -> int | None:
        """Its payload has no more; None: that is not known before it is told."""

    def told(self) -> Entry:
        """The entry."""


class Entry(Value, gc=False):
    """One line of the record: `body` is what is kept and hashed, the rest is its index.

    INVARIANT: `indexed(entry.body, entry.payload) == entry`, and the body has the digest of the
    payload, so that an edit of any of them shows.
    """

    kind: str  # intent | outcome | event | checkpoint
    call_id: str
    at: float  # seconds since the epoch, in whole microseconds
    body: bytes  # JSON object
    principal: str | None = None
    agent: str | None = None
    target: str | None = None
    tool: str | None = None
    code: str | None = None  # refusal code; "ok" where the call was let through; an event's name
    ran: str | None = None
    is_delivered: bool | None = None
    run: str | None = None
    payload: bytes | None = None  # JSON object beside the body, which has its digest

    @property
    def most_bytes(self) -> int:
        """So many has its payload."""
        return 0 if self.payload is None else len(self.payload)

    def told(self) -> Entry:
        """Itself: it is told already."""
        return self


@lru_cache(4096)  # both entries of a call say when it came and was decided
def rfc3339(at: float) -> str:
    """An instant in UTC with microseconds."""
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_whole_seconds(seconds)}.{micros:06d}Z"


@lru_cache(16)
def _whole_seconds(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def in_microseconds(at: float) -> float:
    """The instant that `rfc3339` writes of this one.

    INVARIANT: rounded exactly as there, or untouched records would fail `verify`.
    """
    return round(at * 1_000_000) / 1_000_000


def instant(text: str) -> float:
    """The instant that `rfc3339` wrote. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def indexed(body: bytes, payload: bytes | None = None) -> Entry:
    """The entry, every index field read from its body. Raises ValueError where it is none."""
    try:
        said = _decode(body)
        principal = said.get("principal") or {}
        is_named_event = said["kind"] == "event" and said.get("format") != 1
        return Entry(
            kind=said["kind"],
            call_id=said["call"],
            at=instant(said["at"]),
            body=body,
            principal=column(principal.get("id")),
            agent=column(principal.get("agent")),
            target=column(said.get("target")),
            tool=column(said.get("tool")),
            code=column(said.get("event" if is_named_event else "code")),
            ran=said.get("ran"),
            is_delivered=said.get("delivered"),
            run=said.get("run"),
            payload=payload,
        )
    except (AttributeError, KeyError, TypeError, UnicodeError, ValueError) as error:
        raise ValueError(f"not an entry of the record: {error!r}") from error


def content_of(entry: Entry) -> dict[str, Json]:
    """What the entry says: its body with its payload. The body wins: a payload can only add."""
    body: dict[str, Json] = _decode(entry.body)
    body.pop("payload", None)
    return body if entry.payload is None else {**_decode(entry.payload), **body}


@lru_cache(1024)  # most calls name the same few
def column(text: str | None) -> str | None:
    """The text as any database can find it: of bounded length, without NUL."""
    if text is None or (len(text) <= MAX_COLUMN_CHARACTERS and "\0" not in text):
        return text
    return text[:MAX_COLUMN_CHARACTERS].replace("\0", "\ufffd")


def entry_of(
    body: dict[str, Json],
    at: float,
    *,
    payload: dict[str, Json] | None = None,
    principal: Principal | None = None,
) -> Entry:
    """The entry with this body; beside it the payload, whose digest the body gets.

    `principal` is who the body says, where it says so in JSON that is written already.
    """
    kept = None
    if payload:
        kept = written(payload)
        body["payload"] = {"sha256": hashlib.sha256(kept).hexdigest(), "bytes": len(kept)}
    try:
        content = encode(body)
    except UNWRITABLE:
        return indexed(written(body), kept)
    is_event = body["kind"] == "event"
    return Entry(
        kind=body["kind"],
        call_id=body["call"],
        at=in_microseconds(at),  # as the body has it
        body=content,
        principal=column(principal.id) if principal else None,
        agent=column(principal.agent) if principal else None,
        target=column(body.get("target")),
        tool=column(body.get("tool")),
        code=column(body.get("event" if is_event else "code")),
        ran=body.get("ran"),
        is_delivered=body.get("delivered"),
        run=body.get("run"),
        payload=kept,
    )


def written(value: dict[str, Json]) -> bytes:
    """JSON of the object, whatever stands in it: no oddity of a peer can keep a call unrecorded."""
    try:
        return encode(value)
    except UNWRITABLE:
        return encode(_writable(value, 0))


def _writable(value: Json, depth: int) -> Json:
    """The value without what JSON cannot say: half characters, huge numbers, foreign objects."""
    if depth > 100:
        return "(nested too deep)"
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {
            _writable(str(key), depth): _writable(item, depth + 1) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_writable(item, depth + 1) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INTEGER:
        return f"{value:#x}"[:MAX_COLUMN_CHARACTERS]  # in hex: of any length in linear time
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, msgspec.Raw)):
        return value
    return f"({type(value).__name__})"


def without_payload(entry: Entry, why: str) -> Entry:
    """The entry, whose payload could not be kept: it says so, and has its digest all the same."""
    body = _decode(entry.body)
    body["payload_lost"] = {**body.pop("payload", {}), "why": why}
    return replace(entry, body=encode(body), payload=None)


def interrupted(intended: bytes, at: float) -> Entry:
    """The outcome of a call whose gateway died: all that its intent's body still tells.

    Raises ValueError where the body is not an intent's.
    """
    said = indexed(intended)
    body = _decode(intended)
    for only_of_intents in ("arguments", "arguments_sha256", "payload", "masked"):
        body.pop(only_of_intents, None)
    body |= {
        "kind": "outcome",
        "at": rfc3339(at),
        "code": INTERRUPTED,
        "reason": INTERRUPTED_REASON,
        "ran": Ran.UNKNOWN.value,
        "delivered": False,
        "seconds": {},
    }
    return replace(
        said,
        kind="outcome",
        at=in_microseconds(at),
        body=encode(body),
        code=INTERRUPTED,
        ran=Ran.UNKNOWN.value,
        is_delivered=False,
    )
