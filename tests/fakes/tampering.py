"""Every way to tamper with a record that we know, as data: for any store that can be edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from callgate.audit.checkpoints import Checkpoint, log_origin
from callgate.audit.columns import COLUMNS
from callgate.audit.erasure import erased
from callgate.audit.findings import (
    CALL_TWICE,
    CHECKPOINT_EDITED,
    COLUMN_EDITED,
    DELETED_UNSAID,
    LOG_CUT,
    LOG_MISSING,
    OUTCOME_WITHOUT_INTENT,
    PAYLOAD_EDITED,
    RECORD_EDITED,
    RECORD_MISSING,
    RECORDS_CHANGED,
    TILE_EDITED,
    UNKNOWN_KEY,
)
from callgate.audit.frontier import Frontier
from callgate.audit.keys import SigningKey
from callgate.audit.merkle import leaf_hash, root
from callgate.audit.record import Entry
from fakes.small_entries import an_intent, an_outcome

Row = dict[str, Any]  # the columns of `records`, without its position


class Editor(Protocol):
    """Somebody who can write anything into the store, but has not its key."""

    origin: str

    def size(self, log: int) -> int: ...

    def row(self, log: int, seq: int) -> Row: ...

    def put(self, log: int, seq: int, row: Row) -> None:
        """In place of what is there, or where nothing is."""

    def drop(self, log: int, seq: int) -> None: ...

    def sizes(self, log: int) -> Sequence[int]:
        """Of the checkpoints that are kept of the log."""

    def note(self, log: int, size: int) -> str: ...

    def put_note(self, log: int, size: int, note: Any) -> None: ...

    def drop_note(self, log: int, size: int) -> None: ...

    def tiles(self, log: int) -> Sequence[tuple[int, int]]: ...

    def tile(self, log: int, level: int, number: int) -> bytes: ...

    def put_tile(self, log: int, level: int, number: int, hashes: bytes) -> None: ...

    def drop_tile(self, log: int, level: int, number: int) -> None: ...


class Place(NamedTuple):
    """A record, in a store with these logs: 1 with 300 records and more, 2 with 20 and more."""

    name: str
    log: int
    seq: int  # negative: from the end of what is under a checkpoint

    def of(self, editor: Editor) -> tuple[int, int]:
        return self.log, self.seq if self.seq >= 0 else covered(editor, self.log) + self.seq


PLACES = (
    Place("the first of a log", 1, 0),
    Place("one in a full tile", 1, 100),
    Place("the last of a full tile", 1, 255),
    Place("the first of a tile", 1, 256),
    Place("one behind the last full tile", 1, -20),
    Place("the last under a checkpoint", 1, -1),
    Place("one of another log", 2, 7),
    Place("one of the log of logs", 0, 1),
)

Tamper = Callable[[Editor, int, int], None]


class Change(NamedTuple):
    """What is done to one record, and what must be said of it."""

    name: str
    do: Tamper
    codes: tuple[str, ...]
    is_exact: bool = False  # the record is named, and no other


def covered(editor: Editor, log: int) -> int:
    return max(editor.sizes(log))


def edited(body: str) -> str:
    """Another body, which is an entry too."""
    assert body.endswith("}")
    return body[:-1] + ',"x":1}'


def _body(editor: Editor, log: int, seq: int) -> None:
    row = editor.row(log, seq)
    editor.put(log, seq, row | {"body": edited(row["body"])})


def _body_and_hash(editor: Editor, log: int, seq: int) -> None:
    row = editor.row(log, seq)
    body = edited(row["body"])
    editor.put(log, seq, row | {"body": body, "hash": leaf_hash(body.encode())})


def _body_hash_and_tiles(editor: Editor, log: int, seq: int) -> None:
    _body_and_hash(editor, log, seq)
    rebuild_tiles(editor, log)


def _hash(editor: Editor, log: int, seq: int) -> None:
    editor.put(log, seq, editor.row(log, seq) | {"hash": leaf_hash(b"another")})


def _no_body(editor: Editor, log: int, seq: int) -> None:
    editor.put(log, seq, editor.row(log, seq) | {"body": None, "payload": None})


def _no_body_and_hash(editor: Editor, log: int, seq: int) -> None:
    row = editor.row(log, seq)
    editor.put(log, seq, row | {"body": None, "payload": None, "hash": leaf_hash(b"x")})


def _empty_body(editor: Editor, log: int, seq: int) -> None:
    editor.put(log, seq, editor.row(log, seq) | {"body": "", "hash": leaf_hash(b"")})


def _gap(editor: Editor, log: int, seq: int) -> None:
    editor.drop(log, seq)


def _closed_gap(editor: Editor, log: int, seq: int) -> None:
    for at in range(seq, editor.size(log) - 1):
        editor.put(log, at, editor.row(log, at + 1))
    editor.drop(log, editor.size(log) - 1)
    rebuild_tiles(editor, log)


def _inserted(editor: Editor, log: int, seq: int) -> None:
    for at in range(editor.size(log), seq, -1):
        editor.put(log, at, editor.row(log, at - 1))
    editor.put(log, seq, row_of(an_outcome("c" + "f" * 28, ran="no", code="not_permitted")))


def _swapped(editor: Editor, log: int, seq: int) -> None:
    other = seq - 1 if seq else 1
    mine, its = editor.row(log, seq), editor.row(log, other)
    editor.put(log, seq, its)
    editor.put(log, other, mine)


def _copied_over(editor: Editor, log: int, seq: int) -> None:
    editor.put(log, seq, editor.row(log, (seq + 2) % editor.size(log)))


def _column(name: str, value: Any) -> Tamper:
    def do(editor: Editor, log: int, seq: int) -> None:
        row = editor.row(log, seq)
        assert row[name] != value
        editor.put(log, seq, row | {name: value})

    return do


def _delivered(editor: Editor, log: int, seq: int) -> None:
    row = editor.row(log, seq)
    editor.put(log, seq, row | {"is_delivered": not row["is_delivered"]})


OF_RECORDS = (
    Change("the body", _body, (RECORD_EDITED,), is_exact=True),
    Change("the body, with its hash", _body_and_hash, (RECORDS_CHANGED,)),
    Change("the body, with its hash and all tiles", _body_hash_and_tiles, (RECORDS_CHANGED,)),
    Change("the hash", _hash, (RECORD_EDITED,), is_exact=True),
    Change("the body taken out", _no_body, (DELETED_UNSAID,), is_exact=True),
    Change("the body taken out, the hash edited", _no_body_and_hash, (RECORDS_CHANGED, DELETED_UNSAID)),
    Change("the body emptied", _empty_body, (RECORD_EDITED,), is_exact=True),
    Change("the record taken out", _gap, (RECORD_MISSING, LOG_CUT), is_exact=True),
    Change("the record taken out, the gap closed", _closed_gap, (RECORDS_CHANGED, LOG_CUT)),
    Change("a record put before it", _inserted, (RECORDS_CHANGED,)),
    Change("its place exchanged with its neighbour's", _swapped, (RECORDS_CHANGED,)),
    Change("another record put in its place", _copied_over, (RECORDS_CHANGED, CALL_TWICE)),
    Change("the column is_delivered", _delivered, (COLUMN_EDITED,), is_exact=True),
    *(
        Change(f"the column {name}", _column(name, value), (COLUMN_EDITED,), is_exact=True)
        for name, value in {
            "kind": "event?",
            "call_id": "c" + "e" * 28,
            "at": 1.5,
            "run": "r" + "1" * 28,
            "principal": "eve",
            "agent": "another",
            "target": "bank",
            "tool": "transfer",
            "code": "invented",
            "ran": "maybe",
        }.items()
    ),
)  # fmt: skip


class Deed(NamedTuple):
    """Something done to a store as a whole, and what must be said of it."""

    name: str
    do: Callable[[Editor], None]
    codes: tuple[str, ...]
    log: int | None = None
    seq: int | None = None  # negative: from the end of what was under a checkpoint


def _cut(editor: Editor, log: int, first: int) -> None:
    for seq in range(editor.size(log) - 1, first - 1, -1):
        editor.drop(log, seq)


def _cut_with_checkpoints(editor: Editor, log: int, first: int) -> None:
    _cut(editor, log, first)
    for size in editor.sizes(log):
        if size > first:
            editor.drop_note(log, size)
    for level, number in editor.tiles(log):
        editor.drop_tile(log, level, number)
    rebuild_tiles(editor, log)


def _replace(editor: Editor, log: int, key: SigningKey | None) -> None:
    """The whole log by another of the same size, that is well in itself."""
    size = editor.size(log)
    for seq in range(size):
        entry = an_outcome(f"c{seq:027}z", ran="no", code="not_permitted")
        editor.put(log, seq, row_of(entry))
    rebuild_tiles(editor, log)
    leaves = [editor.row(log, seq)["hash"] for seq in range(size)]
    for at in editor.sizes(log):
        if key is None:
            editor.drop_note(log, at)
        else:
            editor.put_note(log, at, signed(editor.origin, log, leaves[:at], key))


def _remove(editor: Editor, log: int) -> None:
    _cut_with_checkpoints(editor, log, 0)
    for size in editor.sizes(log):
        editor.drop_note(log, size)


def _replace_with_own_key(editor: Editor) -> None:
    _replace(editor, 1, SigningKey(editor.origin, b"x" * 32))


def _note_line(number: int, text: str) -> Callable[[Editor], None]:
    def do(editor: Editor) -> None:
        size = editor.sizes(1)[1]
        lines = editor.note(1, size).split("\n")
        lines[number] = text
        editor.put_note(1, size, "\n".join(lines))

    return do


def _note_of_another_size(editor: Editor) -> None:
    first, second = editor.sizes(1)[:2]
    editor.put_note(1, second, editor.note(1, first))


def _note_of_another_log(editor: Editor) -> None:
    editor.put_note(1, editor.sizes(1)[0], editor.note(2, editor.sizes(2)[0]))


def _signature(editor: Editor) -> None:
    size = editor.sizes(1)[0]
    note = editor.note(1, size)
    last = note.rindex(" ") + 20
    other = "A" if note[last] != "A" else "B"
    editor.put_note(1, size, note[:last] + other + note[last + 1 :])


def _no_signature(editor: Editor) -> None:
    size = editor.sizes(1)[0]
    editor.put_note(1, size, editor.note(1, size).partition("\n\n")[0] + "\n")


def _foreign_signature(editor: Editor) -> None:
    size = editor.sizes(1)[0]
    leaves = [editor.row(1, seq)["hash"] for seq in range(size)]
    key = SigningKey(editor.origin, b"x" * 32)
    editor.put_note(1, size, signed(editor.origin, 1, leaves, key))


def _checkpoint_beyond(editor: Editor) -> None:
    key = SigningKey(editor.origin, b"x" * 32)
    editor.put_note(1, 10_000, signed(editor.origin, 1, [], key, size=10_000))


def _no_note(editor: Editor) -> None:
    editor.put_note(2, editor.sizes(2)[-1], "gone\n")


def _tile(level: int) -> Callable[[Editor], None]:
    def do(editor: Editor) -> None:
        hashes = editor.tile(1, level, 0)
        editor.put_tile(1, level, 0, leaf_hash(b"another") + hashes[32:])

    return do


def _short_tile(editor: Editor) -> None:
    editor.put_tile(1, 0, 0, editor.tile(1, 0, 0)[:-32])


def _no_tile(editor: Editor) -> None:
    editor.drop_tile(1, 0, 0)


def _no_upper_tile(editor: Editor) -> None:
    editor.drop_tile(1, 1, 0)


def _tile_too_many(editor: Editor) -> None:
    editor.put_tile(1, 0, 99, bytes(256 * 32))


def _outcome_behind(editor: Editor) -> None:
    editor.put(1, editor.size(1), row_of(an_outcome("c" + "d" * 28)))


def _entry_twice(editor: Editor) -> None:
    editor.put(1, editor.size(1), editor.row(1, 0))


def _deletion_nobody_signed(editor: Editor) -> None:
    entry = erased([(1, 10, 10)], "body", 1_700_000_000.0, {})
    editor.put(1, editor.size(1), row_of(entry))
    _no_body(editor, 1, 10)


def _payload(value: Any) -> Callable[[Editor], None]:
    def do(editor: Editor) -> None:
        row = editor.row(1, 4)
        assert row["payload"]
        editor.put(1, 4, row | {"payload": value})

    return do


def _payload_where_none_is(editor: Editor) -> None:
    editor.put(0, 0, editor.row(0, 0) | {"payload": "{}"})


def _payload_of_another(editor: Editor) -> None:
    editor.put(1, 4, editor.row(1, 4) | {"payload": editor.row(1, 6)["payload"]})


DEEDS = (
    Deed("the end of a log cut off", lambda e: _cut(e, 1, 290), (LOG_CUT,), 1, 290),
    Deed("one record cut off", lambda e: _cut(e, 1, covered(e, 1) - 1), (LOG_CUT,), 1, -1),
    Deed(
        "the end cut off with its checkpoints and tiles",
        lambda e: _cut_with_checkpoints(e, 1, e.sizes(1)[0]), (LOG_CUT,), 1,
    ),
    Deed("a log taken out whole", lambda e: _remove(e, 2), (LOG_MISSING,), 2),
    Deed("the log of logs cut off", lambda e: _cut(e, 0, 2), (LOG_CUT,), 0, 2),
    Deed("a log replaced, without checkpoints", lambda e: _replace(e, 1, None), (RECORDS_CHANGED,), 1),
    Deed("a log replaced, signed by another key", _replace_with_own_key, (RECORDS_CHANGED,), 1),
    Deed("a checkpoint's origin", _note_line(0, "callgate.dev/0000000000000000/1"), (CHECKPOINT_EDITED,), 1),
    Deed("a checkpoint's size", _note_line(1, "3"), (CHECKPOINT_EDITED,), 1),
    Deed("a checkpoint's root", _note_line(2, "A" * 43 + "="), (CHECKPOINT_EDITED,), 1),
    Deed("a checkpoint's signature", _signature, (CHECKPOINT_EDITED,), 1),
    Deed("a checkpoint without signature", _no_signature, (CHECKPOINT_EDITED,), 1),
    Deed("a checkpoint of another size", _note_of_another_size, (CHECKPOINT_EDITED,), 1),
    Deed("a checkpoint of another log", _note_of_another_log, (CHECKPOINT_EDITED,), 1),
    Deed("a checkpoint that is none", _no_note, (CHECKPOINT_EDITED,), 2),
    Deed("a checkpoint signed by another key", _foreign_signature, (UNKNOWN_KEY,), 1),
    Deed("a checkpoint beyond the log", _checkpoint_beyond, (UNKNOWN_KEY,), 1),
    Deed("a tile of leaves", _tile(0), (TILE_EDITED,), 1),
    Deed("a tile above", _tile(1), (TILE_EDITED,), 1),
    Deed("a tile cut short", _short_tile, (TILE_EDITED,), 1),
    Deed("a tile taken out", _no_tile, (TILE_EDITED,), 1),
    Deed("a tile above taken out", _no_upper_tile, (TILE_EDITED,), 1),
    Deed("a tile of nothing", _tile_too_many, (TILE_EDITED,), 1),
    Deed("an outcome of a call that nobody intended", _outcome_behind, (OUTCOME_WITHOUT_INTENT,), 1),
    Deed("an intent once more", _entry_twice, (CALL_TWICE,), 1),
    Deed("a deletion that nobody signed", _deletion_nobody_signed, (DELETED_UNSAID,), 1, 10),
    Deed("a payload edited", _payload('{"arguments":{"amount":1}}'), (PAYLOAD_EDITED,), 1, 4),
    Deed("a payload that is no text", _payload(b"\xff\x00"), (PAYLOAD_EDITED,), 1, 4),
    Deed("a payload taken out", _payload(None), (DELETED_UNSAID,), 1, 4),
    Deed("a payload of another record", _payload_of_another, (PAYLOAD_EDITED,), 1, 4),
    Deed("a payload where none is", _payload_where_none_is, (PAYLOAD_EDITED,), 0, 0),
)  # fmt: skip


def row_of(entry: Entry) -> Row:
    """The columns that a store would have for the entry."""
    row: Row = {name: getattr(entry, name) for name in COLUMNS}
    payload = None if entry.payload is None else entry.payload.decode()
    return row | {"hash": leaf_hash(entry.body), "body": entry.body.decode(), "payload": payload}


def rebuild_tiles(editor: Editor, log: int) -> None:
    """As they would be, had the records always been as they are."""
    edge = Frontier()
    edge.extend(editor.row(log, seq)["hash"] for seq in range(editor.size(log)))
    for tile in edge.take_tiles():
        editor.put_tile(log, tile.level, tile.number, tile.hashes)


def signed(
    origin: str, log: int, leaves: Sequence[bytes], key: SigningKey, size: int | None = None
) -> str:
    """A checkpoint over these leaves."""
    count = len(leaves) if size is None else size
    made = Checkpoint(origin=log_origin(origin, log), size=count, root=root(leaves))
    return str(made.signed([key]))


def calls(first: int, last: int) -> Iterator[Entry]:
    """Intents and outcomes of these calls."""
    for number in range(first, last):
        at = 1_700_000_000.0 + number / 64
        yield an_intent(f"c{number:028}", at)
        yield an_outcome(f"c{number:028}", at)
