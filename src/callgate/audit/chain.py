"""The hash chain over the record: what links each line to the one before, and how to prove it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from callgate.audit.record import Entry, indexed
from callgate.model import Value

GENESIS = "0" * 64  # what the first record is linked to
DOMAIN = "callgate.record.1"  # a hash of this chain is a hash of nothing else

INDEX = (
    "kind",
    "call_id",
    "at",
    "principal",
    "agent",
    "target",
    "tool",
    "code",
    "ran",
    "is_delivered",
)


class Record(Value):
    """One entry at its place in the chain, as stored; after tampering, of any type."""

    seq: int  # 1, 2, 3 … without a gap
    writer: int  # which process wrote it
    entry: Entry
    previous_hash: str
    hash: str


class Failure(Value):
    """The first record that does not hold, and why."""

    seq: int
    reason: str


class Verification(Value):
    """What a walk along the chain found. `head` is the hash of the last record that held.

    A chain that holds proves that nothing before its head was changed, removed or inserted. That
    nothing was cut off behind the head shows only to whoever noted a later head.
    """

    records: int
    head: str
    failure: Failure | None = None


def link(previous_hash: str, seq: int, writer: int, body: bytes) -> str:
    """The hash of a record: SHA-256, in hex, over one line each of head fields, then the body.

    INVARIANT: the head fields hold no line break, so no two records share an input.
    """
    head = f"{DOMAIN}\n{previous_hash}\n{seq}\n{writer}\n"
    return hashlib.sha256(head.encode() + body).hexdigest()


def verify(records: Iterable[Record]) -> Verification:
    """Walks the chain from its beginning, in order of `seq`."""
    count, head = 0, GENESIS
    for record in records:
        reason = _fault(record, count + 1, head)
        if reason is not None:
            failure = Failure(seq=record.seq, reason=reason)
            return Verification(records=count, head=head, failure=failure)
        count, head = count + 1, record.hash
    return Verification(records=count, head=head)


def _fault(record: Record, expected: int, head: str) -> str | None:
    if record.seq < expected:
        return f"a record was inserted before record {expected}"
    if record.seq > expected:
        return f"{_records(expected, record.seq - 1)} missing before it"
    body = record.entry.body
    if not isinstance(body, bytes) or type(record.writer) is not int:
        return "its body or its writer was replaced by something else"
    fits = link(str(record.previous_hash), record.seq, record.writer, body) == record.hash
    if record.previous_hash != head:
        if fits:
            return "it continues another record than the one before it: that one was replaced"
        if link(head, record.seq, record.writer, body) == record.hash:
            return "its previous_hash was edited"
    if not fits:
        return "its body, writer or hash was edited: the hash does not fit"
    return _index_fault(record.entry)


def _records(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"


def _index_fault(entry: Entry) -> str | None:
    try:
        said = indexed(entry.body)
    except ValueError as error:
        return f"its body is {error}"
    for column in INDEX:
        kept, meant = getattr(entry, column), getattr(said, column)
        if kept != meant or type(kept) is not type(meant):
            return f"its column {column} was edited: it is {kept!r}, the body says {meant!r}"
    return None
