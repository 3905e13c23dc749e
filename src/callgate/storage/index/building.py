"""Makes the index from the record, block by block, and takes out of it what was erased."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from callgate.audit.erasure import Erasures, Stretch, read_erased
from callgate.audit.place import place, position
from callgate.ports import StoreError
from callgate.storage.index import record as asked
from callgate.storage.index.bits import BLOCK, packed
from callgate.storage.index.gist import Gist, Gists, Part, entry_of, plain_gist
from callgate.storage.index.link import Link, listed, one_change
from callgate.storage.index.record import Raws, is_index_of
from callgate.storage.index.schema import SHELF, TABLES
from callgate.storage.index.words import Said, Words, plain_of_each
from callgate.storage.rows.telling import Blobs, told

KEPT_SPANS = 64  # blocks: so long an ended call is still known to have been in flight

_log = logging.getLogger("callgate.storage")


@dataclass
class Built:
    """One block of the index in the making."""

    log: int
    number: int
    last_hash: bytes = b""
    ats: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)  # the places of outcomes
    parts: dict[Part, list[int]] = field(default_factory=dict)  # of the same → places
    keys: dict[int, list[int]] = field(default_factory=dict)  # of one call, mostly → places
    texts: list[tuple[int, str]] = field(default_factory=list)  # position → what is said
    said: list[Said] = field(default_factory=list)
    principals: dict[int, tuple[int, float]] = field(default_factory=dict)  # as last seen
    open: dict[str, tuple[int, float, int | None]] = field(default_factory=dict)  # intents
    ended: dict[str, int] = field(default_factory=dict)  # outcomes of intents from elsewhere

    def add(self, row: Raws, gist: Gist | None) -> None:
        """An outcome; of a call of which nothing is left, None."""
        at = place(row.position)[1] % BLOCK
        self.ats.append(row.at)
        self.calls.append(at)
        if gist is None:
            return
        for part in gist.parts:
            self.parts.setdefault(part, []).append(at)
        for key in gist.keys:
            self.keys.setdefault(key, []).append(at)
        if gist.principal is not None:
            self.principals[gist.principal] = (row.position, row.at)
        if gist.words is None:
            self.texts.append((row.position, gist.texts))
        elif gist.words:
            self.said.append((row.position, gist.words))

    def words(self) -> list[Said]:
        """What is said in it, in order."""
        plain = plain_of_each([texts for _, texts in self.texts])
        ats = (at for at, _ in self.texts)
        return sorted(
            [*self.said, *(pair for pair in zip(ats, plain, strict=True) if pair[1].strip())]
        )

    def postings(self) -> Iterable[tuple[int, bytes]]:
        """Key → places, packed."""
        found: dict[int, bytes] = {}
        shared: set[int] = set()
        parts = [(part.keys, places) for part, places in self.parts.items()]
        parts += [((key,), places) for key, places in self.keys.items()]
        for keys, places in parts:
            raw = packed(places)
            for key in keys:
                if found.setdefault(key, raw) is not raw:
                    shared.add(key)
        together: dict[int, set[int]] = {key: set() for key in shared}
        for keys, places in parts:
            for key in shared.intersection(keys):
                together[key].update(places)
        found |= {key: packed(sorted(places)) for key, places in together.items()}
        return found.items()


class Builder:
    """Reads the record by one connection, writes the index by another."""

    def __init__(self, record: Link, index: Link, words: Words, blobs: Blobs | None) -> None:
        self._record = record
        self._index = index
        self._words = words
        self._blobs = blobs
        self._gists = Gists(blobs)
        self._erasures = Erasures()
        self._is_anything_erased = False
        self._ends: Mapping[int, int] = {}
        self._unsound: set[tuple[int, int]] = set()

    def catch_up(self, most: int) -> int:
        """Indexes up to about so many records, the latest first; returns how many were."""
        self._ends = asked.ends(self._record)
        for log in self._ends:
            if not is_index_of(self._record, self._index, log):
                self._forget_all()
        self._take_in_erasures()
        done = 0
        while done < most:
            missing = list(islice(self._missing(), min(SHELF, -(-(most - done) // BLOCK))))
            if not missing:
                break
            done += BLOCK * self._index_blocks(missing)
        return done

    def _forget_all(self) -> None:
        """Another record lies where the one was that this index is of."""
        with one_change(self._index):
            self._forget_blocks()
            self._index.ask("DELETE FROM search_facts WHERE name <> 'form'")

    def _forget_blocks(self) -> None:
        self._words.drop(self._index)
        self._words.create(self._index)
        for table in TABLES:
            if table != "search_facts":
                self._index.ask(f"DELETE FROM {table}")  # noqa: S608 - a table of ours

    def _missing(self) -> Iterator[tuple[int, int]]:
        """Whole blocks of one shelf that are not indexed, the latest first."""
        query = "SELECT number FROM search_blocks WHERE log = ? AND has_words = 1"
        for log, end in self._ends.items():
            there = {number for (number,) in self._index.ask(query, (log,))}
            missing = (
                number
                for number in range(end // BLOCK - 1, -1, -1)
                if number not in there and (log, number) not in self._unsound
            )
            latest = next(missing, None)
            if latest is not None:
                yield log, latest
                for number in missing:
                    if number // SHELF != latest // SHELF:
                        break
                    yield log, number
                return

    def _index_blocks(self, missing: Sequence[tuple[int, int]]) -> int:
        """Those of one shelf, all or none of those that can be read; how many."""
        built = []
        for log, number in reversed(missing):
            try:
                built.append(self._built(log, number))
            except StoreError as error:
                # Left out: whoever looks for calls there meets what is wrong, and is told.
                self._unsound.add((log, number))
                _log.error("records that cannot be read are not indexed: %s", error)
        if built:
            with one_change(self._index):
                for block in built:
                    self._remove(block.log, block.number)
                self._write(built)
        return len(built)

    def _built(self, log: int, number: int) -> Built:
        rows = asked.block_rows(self._record, log, number)
        if len(rows) != BLOCK:
            start = number * BLOCK
            raise StoreError(f"records are missing between {log}/{start} and {log}/{start + BLOCK}")
        intents = {row.call_id: row for row in rows if row.kind == "intent"}
        outcomes = [row for row in rows if row.kind == "outcome"]
        elsewhere = [row.call_id for row in outcomes if row.call_id not in intents]
        from_elsewhere = asked.intents(self._record, elsewhere)
        built = Built(log=log, number=number, last_hash=rows[-1].hash)
        for row in outcomes:
            intent = intents.pop(row.call_id, None)
            if intent is None:
                intent = from_elsewhere.get(row.call_id)
                if intent is not None:
                    built.ended[row.call_id] = row.position
            built.add(row, self._gist([row] if intent is None else [intent, row]))
        outcomes_of = asked.outcomes(self._record, list(intents))
        built.open = {
            call_id: (row.position, row.at, outcomes_of.get(call_id))
            for call_id, row in intents.items()
        }
        return built

    def _gist(self, rows: Sequence[Raws]) -> Gist | None:
        """Without what was erased, or is about to be: of whatever is still there of the call."""
        if not self._is_anything_erased:
            return self._gists.of(rows)
        entries = []
        for row in rows:
            log, seq = place(row.position)
            if self._erasures.first_unsaid(log, seq, seq, has_body=False) is None:
                continue
            entry = entry_of(row, self._blobs)
            if self._erasures.first_unsaid(log, seq, seq, has_body=True) is None:
                for name in ("arguments", "content", "enriched"):
                    entry.pop(name, None)
            entries.append(entry)
        return plain_gist(entries) if entries else None

    def _write(self, built: Sequence[Built]) -> None:
        """Blocks of one shelf, in order."""
        index = self._index
        rows = []
        postings: list[tuple[int, int, int, int, bytes]] = []
        for block in built:
            log, number = block.log, block.number
            least, most = min(block.ats, default=None), max(block.ats, default=None)
            rows.append((log, number, block.last_hash, least, most, 1, packed(block.calls)))
            postings += (
                (log, number // SHELF, key, number, places) for key, places in block.postings()
            )
            self._words.add(index, log, number, block.words())
        index.tell("INSERT INTO search_blocks VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        index.tell("INSERT INTO search_postings VALUES (?, ?, ?, ?, ?)", sorted(postings))
        self._write_spans(built)
        self._write_principals(built)

    def _write_principals(self, built: Sequence[Built]) -> None:
        newest: dict[int, tuple[int, float]] = {}
        for block in built:
            for of, seen in block.principals.items():
                if of not in newest or seen[1] >= newest[of][1]:
                    newest[of] = seen
        if not newest:
            return
        query = f"SELECT key, at FROM search_principals WHERE key IN ({listed(newest)})"  # noqa: S608 - numbers of ours
        known: dict[int, float] = dict(self._index.ask(query))
        rows = [(of, *seen) for of, seen in newest.items() if seen[1] >= known.get(of, seen[1])]
        if rows:
            gone = listed(of for of, *_ in rows)
            self._index.ask(f"DELETE FROM search_principals WHERE key IN ({gone})")  # noqa: S608 - numbers of ours
            self._index.tell("INSERT INTO search_principals VALUES (?, ?, ?)", rows)

    def _write_spans(self, built: Sequence[Built]) -> None:
        index = self._index
        rows = [
            (at, call_id, when, outcome)
            for block in built
            for call_id, (at, when, outcome) in block.open.items()
        ]
        index.tell("INSERT INTO search_spans VALUES (?, ?, ?, ?)", rows)
        query = "SELECT call_id FROM search_spans WHERE outcome IS NULL"
        in_flight = {call_id for (call_id,) in index.ask(query)}
        ended = [
            (outcome, call_id)
            for block in built
            for call_id, outcome in block.ended.items()
            if call_id in in_flight
        ]
        index.tell("UPDATE search_spans SET outcome = ? WHERE call_id = ?", ended)
        for log, end in self._ends.items():
            # Who turns pages for longer than these may not find a call that ended meanwhile.
            oldest = max(0, end - KEPT_SPANS * BLOCK)
            bounds = (position(log, 0), position(log, oldest) - 1)
            index.ask("DELETE FROM search_spans WHERE outcome BETWEEN ? AND ?", bounds)

    def _remove(self, log: int, number: int) -> None:
        """Takes a block out, with all that the search cannot part from it."""
        index = self._index
        query = "SELECT has_words FROM search_blocks WHERE log = ? AND number = ?"
        found = next(iter(index.ask(query, (log, number))), None)
        if found is None:
            return
        index.ask("DELETE FROM search_blocks WHERE log = ? AND number = ?", (log, number))
        index.ask(
            "DELETE FROM search_postings WHERE log = ? AND shelf = ? AND number = ?",
            (log, number // SHELF, number),
        )
        first = position(log, number * BLOCK)
        index.ask(
            "DELETE FROM search_spans WHERE position BETWEEN ? AND ?", (first, first + BLOCK - 1)
        )
        if found[0]:
            gone = self._words.forget(index, log, number)
            index.ask(
                "UPDATE search_blocks SET has_words = 0 WHERE log = ? AND number BETWEEN ? AND ?",
                (log, gone.start, gone.stop - 1),
            )

    def _take_in_erasures(self) -> None:
        """Takes out what events say was erased, once for each event."""
        seen, passed_over = self._seen(), asked.erasures_passed_over(self._index)
        for row, takes_back in asked.erasures(self._record):
            self._is_anything_erased = True
            log, seq = place(row.position)
            is_new = seq >= seen.get(log, 0) or row.position in passed_over
            try:
                places = self._places(row) if is_new else ()
                body = row.body or b""  # which says nothing
                self._erasures.take_back(body) if takes_back else self._erasures.add(body)
            except (StoreError, ValueError) as error:
                if row.position not in passed_over:
                    self._pass_over(row.position, error)
                continue
            if not is_new:
                continue
            affected = {block for stretch in places for block in self._affected(*stretch)}
            with one_change(self._index):
                for block in sorted(affected):
                    self._remove(*block)
                self._note_seen(log, max(seq + 1, seen.get(log, 0)))
                asked.note_passed_over(self._index, row.position, is_so=False)

    def _places(self, row: Raws) -> Sequence[Stretch]:
        """What an event names. Raises StoreError, ValueError."""
        told(row.kept(), None)  # StoreError where it is not what was hashed
        return read_erased(row.body or b"").places

    def _pass_over(self, at: int, error: Exception) -> None:
        """What it names cannot be known, so all is indexed anew: of what is still there."""
        log, seq = place(at)
        _log.error(
            "record %d/%d says what was erased, and cannot be read: the index is made anew without"
            " it; see `callgate audit verify`: %s",
            log,
            seq,
            error,
        )
        with one_change(self._index):
            self._forget_blocks()
            self._note_seen(log, max(seq + 1, self._seen().get(log, 0)))
            asked.note_passed_over(self._index, at, is_so=True)

    def _affected(self, log: int, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The blocks with anything of these entries: an outcome's block has the arguments, too."""
        yield from ((log, number) for number in range(first // BLOCK, last // BLOCK + 1))
        for found in asked.ended_of(self._record, log, first, last):
            of, seq = place(found)
            yield of, seq // BLOCK

    def _seen(self) -> dict[int, int]:
        return asked.erasures_seen(self._index)

    def _note_seen(self, log: int, seq: int) -> None:
        name = f"erased {log}"
        self._index.ask("DELETE FROM search_facts WHERE name = ?", (name,))
        self._index.ask("INSERT INTO search_facts VALUES (?, ?)", (name, str(seq)))
