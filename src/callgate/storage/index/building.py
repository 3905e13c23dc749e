"""Makes the index from the record, block by block, and takes out of it what was erased."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from callgate.audit.erasure import ERASED, WITHDRAWN, Erasures
from callgate.audit.explain import whole
from callgate.audit.place import place
from callgate.model import Json
from callgate.ports import StoreError
from callgate.storage.index.bits import BLOCK, packed
from callgate.storage.index.finding import is_index_of
from callgate.storage.index.keys import key, keys_of
from callgate.storage.index.opening import insert_many, one_change
from callgate.storage.index.schema import blocks, facts, postings, principals, spans
from callgate.storage.index.words import Said, Words, plain
from callgate.storage.rows.opening import heads, span
from callgate.storage.rows.telling import Blobs, chosen_rows, told
from callgate.storage.schema import records

KEPT_SPANS = 64  # blocks: so long an ended call is still known to have been in flight

_log = logging.getLogger("callgate.storage")


@dataclass
class Built:
    """One block of the index in the making."""

    log: int
    number: int
    last_hash: bytes = b""
    ats: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    places: dict[int, list[int]] = field(default_factory=dict)  # key → places
    said: list[Said] = field(default_factory=list)
    principals: dict[int, tuple[int, float]] = field(default_factory=dict)  # as last seen
    open: dict[str, tuple[int, float, int | None]] = field(default_factory=dict)  # intents
    ended: dict[str, int] = field(default_factory=dict)  # outcomes of intents from elsewhere

    def add(self, row: Row[Any], call: dict[str, Json] | None) -> None:
        """An outcome; of a call of which nothing is left, None."""
        at = place(row.position)[1] % BLOCK
        self.ats.append(row.at)
        self.calls.append(at)
        if call is not None:
            for fact in keys_of(call):
                self.places.setdefault(fact, []).append(at)
            if (who := call.get("principal")) is not None:
                self.principals[_principal_key(who)] = (row.position, row.at)
            if words := plain(call):
                self.said.append((row.position, words))


_WHO = ("kind", "issuer", "tenant", "id", "agent")


def _principal_key(who: dict[str, Json]) -> int:
    return key("who", "\0".join(str(who.get(name)) for name in _WHO))


class Builder:
    """Reads the record by one connection, writes the index by another."""

    def __init__(
        self, record: Connection, index: Connection, words: Words, blobs: Blobs | None
    ) -> None:
        self._record = record
        self._index = index
        self._words = words
        self._blobs = blobs
        self._erasures = Erasures()
        self._ends: Mapping[int, int] = {}
        self._unsound: set[tuple[int, int]] = set()

    def catch_up(self, most: int) -> int:
        """Indexes up to so many records, the latest first; returns how many were."""
        self._ends = heads(self._record)
        for log in self._ends:
            if not is_index_of(self._record, self._index, log):
                self._forget_all()
        self._take_in_erasures()
        done = 0
        for log, number in self._missing():
            if done >= most:
                break
            if self._index_block(log, number):
                done += BLOCK
        return done

    def _forget_all(self) -> None:
        """Another record lies where the one was that this index is of."""
        with one_change(self._index):
            self._words.drop(self._index)
            self._words.create(self._index)
            for table in (blocks, postings, spans, principals):
                self._index.execute(delete(table))
            self._index.execute(delete(facts).where(facts.c.name != "form"))

    def _missing(self) -> Iterator[tuple[int, int]]:
        """Whole blocks that are not indexed."""
        for log, end in self._ends.items():
            query = select(blocks.c.number).where(blocks.c.log == log, blocks.c.has_words == 1)
            there = set(self._index.execute(query).scalars())
            for number in range(end // BLOCK - 1, -1, -1):
                if number not in there and (log, number) not in self._unsound:
                    yield log, number

    def _index_block(self, log: int, number: int) -> bool:
        try:
            built = self._built(log, number)
        except StoreError as error:
            # Left out: whoever looks for calls there meets what is wrong, and is told.
            self._unsound.add((log, number))
            _log.error("records that cannot be read are not indexed: %s", error)
            return False
        with one_change(self._index):
            self._remove(log, number)
            self._write(built)
        return True

    def _built(self, log: int, number: int) -> Built:
        start = number * BLOCK
        query = chosen_rows().where(
            records.c.position.between(*span(log, start, start + BLOCK)),
        )
        rows = self._record.execute(query.order_by(records.c.position)).all()
        if len(rows) != BLOCK:
            raise StoreError(f"records are missing between {log}/{start} and {log}/{start + BLOCK}")
        intents = {row.call_id: row for row in rows if row.kind == "intent"}
        outcomes = [row for row in rows if row.kind == "outcome"]
        from_elsewhere = self._intents([r.call_id for r in outcomes if r.call_id not in intents])
        built = Built(log=log, number=number, last_hash=rows[-1].hash)
        for row in outcomes:
            intent = intents.pop(row.call_id, None)
            if intent is None:
                intent = from_elsewhere.get(row.call_id)
                if intent is not None:
                    built.ended[row.call_id] = row.position
            built.add(row, self._left([row] if intent is None else [intent, row]))
        outcomes_of = self._outcomes(list(intents))
        built.open = {
            call_id: (row.position, row.at, outcomes_of.get(call_id))
            for call_id, row in intents.items()
        }
        return built

    def _intents(self, ids: Sequence[str]) -> Mapping[str, Row[Any]]:
        if not ids:
            return {}
        query = chosen_rows().where(records.c.call_id.in_(ids), records.c.kind == "intent")
        return {row.call_id: row for row in self._record.execute(query)}

    def _outcomes(self, ids: Sequence[str]) -> Mapping[str, int]:
        """Where these calls have ended, if they have: blocks are not always built in order."""
        if not ids:
            return {}
        query = select(records.c.call_id, records.c.position).where(
            records.c.call_id.in_(ids), records.c.kind == "outcome"
        )
        return {row.call_id: row.position for row in self._record.execute(query)}

    def _left(self, rows: Sequence[Row[Any]]) -> dict[str, Json] | None:
        """The call, without what was erased, or is about to be: whatever is still there of it."""
        entries = []
        for row in rows:
            log, seq = place(row.position)
            if self._erasures.first_unsaid(log, seq, seq, has_body=False) is None:
                continue
            entry = told(row, self._blobs)
            if "payload_omitted" in entry:
                raise StoreError(f"the payload of {log}/{seq} lies elsewhere, nobody said where")
            if self._erasures.first_unsaid(log, seq, seq, has_body=True) is None:
                for name in ("arguments", "content", "enriched"):
                    entry.pop(name, None)
            entries.append(entry)
        return whole(entries) if entries else None

    def _write(self, built: Built) -> None:
        which = {"log": built.log, "number": built.number}
        self._index.execute(
            insert(blocks).values(
                **which,
                last_hash=built.last_hash,
                least_at=min(built.ats, default=None),
                most_at=max(built.ats, default=None),
                calls=packed(built.calls),
                has_words=1,
            )
        )
        rows = [
            (built.log, built.number, fact, packed(places))
            for fact, places in sorted(built.places.items())
        ]
        insert_many(self._index, postings, rows)
        self._words.add(self._index, built.log, built.number, built.said)
        self._write_spans(built)
        self._write_principals(built)

    def _write_principals(self, built: Built) -> None:
        query = select(principals.c.key, principals.c.at).where(
            principals.c.key.in_(list(built.principals))
        )
        known = {row.key: row.at for row in self._index.execute(query)}
        newer = {
            of: seen
            for of, seen in built.principals.items()
            if of not in known or seen[1] >= known[of]
        }
        if newer:
            self._index.execute(delete(principals).where(principals.c.key.in_(list(newer))))
            rows = [{"key": of, "position": at, "at": when} for of, (at, when) in newer.items()]
            self._index.execute(insert(principals), rows)

    def _write_spans(self, built: Built) -> None:
        rows = [
            {"position": at, "call_id": call_id, "at": when, "outcome": outcome}
            for call_id, (at, when, outcome) in built.open.items()
        ]
        if rows:
            self._index.execute(insert(spans), rows)
        for call_id, outcome in built.ended.items():
            ended = update(spans).where(spans.c.call_id == call_id)
            self._index.execute(ended.values(outcome=outcome))
        for log, end in self._ends.items():
            # Who turns pages for longer than these may not find a call that ended meanwhile.
            oldest = max(0, end - KEPT_SPANS * BLOCK)
            first, last = span(log, 0, oldest)
            self._index.execute(delete(spans).where(spans.c.outcome.between(first, last)))

    def _remove(self, log: int, number: int) -> None:
        """Takes a block out, with all that the search cannot part from it."""
        is_there = select(blocks.c.has_words).where(blocks.c.log == log, blocks.c.number == number)
        has_words = self._index.execute(is_there).scalar()
        if has_words is None:
            return
        for table in (blocks, postings):
            self._index.execute(delete(table).where(table.c.log == log, table.c.number == number))
        first, last = span(log, number * BLOCK, (number + 1) * BLOCK)
        self._index.execute(delete(spans).where(spans.c.position.between(first, last)))
        if has_words:
            gone = self._words.forget(self._index, log, number)
            self._index.execute(
                update(blocks)
                .where(
                    blocks.c.log == log,
                    blocks.c.number.between(gone.start, gone.stop - 1),
                )
                .values(has_words=0)
            )

    def _take_in_erasures(self) -> None:
        """Takes out what events say was erased, once for each event."""
        query = (
            chosen_rows()
            .where(records.c.kind == "event", records.c.code.in_((ERASED, WITHDRAWN)))
            .order_by(records.c.position)
        )
        seen = self._seen()
        for row in self._record.execute(query).all():
            body = row.body.encode("utf-8", "surrogateescape")
            takes_back = row.code == WITHDRAWN
            self._erasures.take_back(body) if takes_back else self._erasures.add(body)
            log, seq = place(row.position)
            if seq < seen.get(log, 0):
                continue
            affected = {
                block
                for of, first, last in told(row, None)["places"]
                for block in self._affected(of, first, last)
            }
            with one_change(self._index):
                for block in sorted(affected):
                    self._remove(*block)
                self._note_seen(log, seq + 1)

    def _affected(self, log: int, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The blocks with anything of these entries: an outcome's block has the arguments, too."""
        yield from ((log, number) for number in range(first // BLOCK, last // BLOCK + 1))
        intents = records.alias("intents")
        query = (
            select(records.c.position)
            .join(intents, intents.c.call_id == records.c.call_id)
            .where(
                intents.c.position.between(*span(log, first, last + 1)),
                intents.c.kind == "intent",
                records.c.kind == "outcome",
            )
        )
        for found in self._record.execute(query).scalars():
            of, seq = place(found)
            yield of, seq // BLOCK

    def _seen(self) -> dict[int, int]:
        query = select(facts.c.name, facts.c.value).where(facts.c.name.like("erased %"))
        return {int(row.name.split()[1]): int(row.value) for row in self._index.execute(query)}

    def _note_seen(self, log: int, seq: int) -> None:
        name = f"erased {log}"
        self._index.execute(delete(facts).where(facts.c.name == name))
        self._index.execute(insert(facts).values(name=name, value=str(seq)))
