"""Proves a record, or finds the first record that is not what it was: of public keys alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from callgate.audit.balance import Balance
from callgate.audit.checkpoints import log_of, read_checkpoint
from callgate.audit.columns import Said
from callgate.audit.erasure import ERASED, WITHDRAWN, Erasures
from callgate.audit.findings import (
    ANOTHER_STORE,
    CHECKPOINT_EDITED,
    DELETED_UNSAID,
    NOT_WITNESSED,
    UNCOVERED,
    Failure,
    LogState,
    Verification,
)
from callgate.audit.joining import JOINED, read_joined
from callgate.audit.judging import Judge, Judged, Keys, Statement
from callgate.audit.keys import VerifierKey
from callgate.audit.log_reader import LogReader
from callgate.audit.notes import NoteError
from callgate.audit.place import LOG_OF_LOGS, MAX_LOG, MAX_SEQ
from callgate.audit.rotation import KEY_CHANGED, read_change
from callgate.audit.walking import Walk, Walked
from callgate.model import Value

UNCOVERED_SECONDS = 600.0

Progress = Callable[[int], None]


class Known(Value):
    """A checkpoint that was noted elsewhere."""

    name: str  # where: a file's name
    note: str


class Trust(Value):
    """What the record is held against."""

    keys: tuple[VerifierKey, ...]  # any of the store's keys, the first will do
    known: tuple[Known, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0  # how many of the witnesses must have seen the record
    uncovered_seconds: float = UNCOVERED_SECONDS  # for so long records may be under no checkpoint


def verify(reader: LogReader, trust: Trust, progress: Progress = lambda _: None) -> Verification:
    """Walks along every log. Raises StoreError where the record cannot be read."""
    return _Verifier(reader, trust, progress).run()


class _Verifier:
    def __init__(self, reader: LogReader, trust: Trust, progress: Progress) -> None:
        self._reader = reader
        self._trust = trust
        self._progress = progress
        self._keys = Keys(trust.keys, trust.witnesses)
        self._balance = Balance()
        self._walked: dict[int, Walked] = {}
        self._failures: list[Failure] = []
        # What entries say of others. Only what is under a signed checkpoint counts, later.
        self._changes: list[tuple[int, int, bytes]] = []
        self._erased: list[tuple[int, int, bytes, bool]] = []  # whether it takes back
        self._joined: dict[int, dict[int, list[tuple[bytes, int]]]] = {}  # log, size → digest, seq
        self._known: dict[int, list[Statement]] = {}

    def run(self) -> Verification:
        self._read_known()
        self._walk(LOG_OF_LOGS)  # first: it says which logs there are, and how large
        logs = {*self._reader.logs(), *self._joined, *self._known} - {LOG_OF_LOGS}
        for log in sorted(logs):
            self._walk(log)
        judged = self._judge()
        while any([self._learn(*change, judged) for change in self._changes]):
            judged = self._judge()  # keys that were learned may count for more
        self._hold_deletions(judged)
        self._hold_witnesses(judged[LOG_OF_LOGS])
        self._hold_tails(judged)
        return self._told(judged)

    def _read_known(self) -> None:
        for known in self._trust.known:
            try:
                checkpoint, _ = read_checkpoint(known.note)
            except NoteError as error:
                self._fail(CHECKPOINT_EDITED, f"the checkpoint in {known.name}: {error}")
                continue
            log = log_of(self._reader.origin, checkpoint.origin)
            if log is None:
                reason = f"{known.name} knows {checkpoint.origin}, this is {self._reader.origin}"
                self._fail(ANOTHER_STORE, reason)
                continue
            source = f"the checkpoint of size {checkpoint.size} in {known.name}"
            said = Statement(size=checkpoint.size, note=known.note, source=source)
            self._known.setdefault(log, []).append(said)

    def _walk(self, log: int) -> None:
        walk = Walk(self._reader, log, self._balance, self._hear)
        walked = walk.run(self._sizes(log), self._progress)
        self._walked[log] = walked
        if walked.fault is not None:
            self._failures.append(walked.fault)

    def _sizes(self, log: int) -> Iterator[int]:
        if 0 <= log <= MAX_LOG:
            for row in self._reader.checkpoints(log):
                yield from _sized(row.size)
        yield from self._joined.get(log, ())
        for statement in self._known.get(log, ()):
            yield from _sized(statement.size)

    def _hear(self, log: int, seq: int, said: Said, body: bytes) -> None:
        if said.kind == JOINED:
            if log == LOG_OF_LOGS:
                self._hear_joined(seq, body)
        elif said.event == KEY_CHANGED:
            self._changes.append((log, seq, body))
        elif said.event in (ERASED, WITHDRAWN):
            self._erased.append((log, seq, body, said.event == WITHDRAWN))

    def _hear_joined(self, seq: int, body: bytes) -> None:
        try:
            joined = read_joined(body)
        except ValueError as error:
            self._fail(CHECKPOINT_EDITED, f"its body: {error}", LOG_OF_LOGS, seq)
            return
        if not (0 < joined.log <= MAX_LOG and 0 <= joined.size <= MAX_SEQ):
            reason = f"it is of a log {joined.log} of size {joined.size}, which cannot be"
            self._fail(CHECKPOINT_EDITED, reason, LOG_OF_LOGS, seq)
            return
        sizes = self._joined.setdefault(joined.log, {})
        said = _digest(joined.note), seq
        if all(known[0] != said[0] for known in sizes.get(joined.size, ())):
            sizes.setdefault(joined.size, []).append(said)

    def _judge(self) -> dict[int, Judged]:
        """The log of logs first: what it has, it vouches for."""
        judged: dict[int, Judged] = {}
        for log, walked in self._walked.items():
            if 0 <= log <= MAX_LOG:
                covered = judged[LOG_OF_LOGS].covered if judged else 0
                judge = Judge(self._reader.origin, walked, self._keys, self._trust.quorum)
                judged[log] = judge.judged(self._statements(log, covered))
        return judged

    def _statements(self, log: int, covered: int) -> Iterator[Statement]:
        """All that is said of a log; `covered`: so much of the log of logs is signed."""
        joined = self._joined.get(log, {})
        same: set[int] = set()  # entries of the log of logs with the very text of a row
        for row in self._reader.checkpoints(log):
            entries: list[int] = []
            if type(row.size) is int and row.size in joined and isinstance(row.note, str):
                digest = _digest(row.note)
                entries = [seq for known, seq in joined[row.size] if known == digest]
                same.update(entries)
            source = f"its checkpoint of size {row.size!r}"
            is_vouched = any(seq < covered for seq in entries)
            yield Statement(size=row.size, note=row.note, source=source, is_vouched=is_vouched)
        yield from self._known.get(log, ())
        for size, told in joined.items():
            for _, seq in told:
                if seq not in same:
                    yield self._statement_in(seq, size, log, is_vouched=seq < covered)

    def _statement_in(self, seq: int, size: int, log: int, *, is_vouched: bool) -> Statement:
        note = None
        for row in self._reader.records(LOG_OF_LOGS, seq, seq + 1):
            body = row[13]
            note = read_joined(body if isinstance(body, bytes) else str(body).encode()).note
        source = f"entry 0/{seq}, which has log {log} at size {size},"
        return Statement(size=size, note=note, source=source, seq=seq, is_vouched=is_vouched)

    def _learn(self, log: int, seq: int, body: bytes, judged: dict[int, Judged]) -> bool:
        """Whether the entry names keys that were not known, and is signed itself."""
        if seq >= judged[log].covered:
            return False
        change = read_change(body, self._reader.origin)
        return change is not None and self._keys.learn(change.added, change.others)

    def _hold_deletions(self, judged: dict[int, Judged]) -> None:
        if any(walked.fault for walked in self._walked.values()):
            return  # what stands behind it was not read
        erasures = Erasures()
        # Where records fail, it cannot be told what is signed; they are to be named, not these.
        has_failed = bool(self._failures or any(one.failures for one in judged.values()))
        for log, seq, body, takes_back in self._erased:
            if seq >= judged[log].covered and not has_failed:
                continue  # anybody could have written it
            try:
                erasures.take_back(body) if takes_back else erasures.add(body)
            except ValueError as error:
                self._fail(DELETED_UNSAID, f"its body: {error}", log, seq)
        for log, walked in self._walked.items():
            for gone in walked.gone:
                unsaid = erasures.first_unsaid(log, gone.first, gone.last, has_body=gone.has_body)
                if unsaid is not None:
                    what = "payload" if gone.has_body else "body"
                    reason = f"its {what} is gone, and no event that is signed says so"
                    self._fail(DELETED_UNSAID, reason, log, unsaid)
                    break

    def _hold_witnesses(self, judged: Judged) -> None:
        if self._trust.quorum > 0 and not judged.witnessed:
            reason = f"no checkpoint of it is cosigned by {self._trust.quorum} of the witnesses"
            self._fail(NOT_WITNESSED, reason, LOG_OF_LOGS)

    def _hold_tails(self, judged: dict[int, Judged]) -> None:
        """Records without a checkpoint are new, or nobody can say where they come from."""
        ends = [walked.last_at for walked in self._walked.values() if walked.last_at is not None]
        newest = max(ends, default=0.0)
        for log, one in judged.items():
            walked = self._walked[log]
            if walked.fault or one.failures or one.covered >= walked.size:
                continue
            at = self._at(log, one.covered)
            if at is None or at <= newest - self._trust.uncovered_seconds:
                reason = "it and all behind it are under no checkpoint that counts"
                last = walked.size - 1
                self._fail(UNCOVERED, reason, log, one.covered, last)

    def _at(self, log: int, seq: int) -> float | None:
        for row in self._reader.records(log, seq, seq + 1):
            return row[3] if isinstance(row[3], float) else None
        return None

    def _told(self, judged: dict[int, Judged]) -> Verification:
        failures = [*self._failures, *(one for each in judged.values() for one in each.failures)]
        has_walked = all(walked.fault is None for walked in self._walked.values())
        if has_walked and not failures:
            failures = self._balance.unintended()
        seen = self._witnessed(judged[LOG_OF_LOGS].witnessed)
        return Verification(
            origin=self._reader.origin,
            logs=tuple(
                LogState(
                    log=log,
                    size=self._walked[log].size,
                    covered=one.covered,
                    witnessed=seen.get(log, 0) if self._trust.quorum else None,
                    checkpoint=one.checkpoint,
                )
                for log, one in sorted(judged.items())
            ),
            failures=tuple(sorted(failures, key=_order)),
            remarks=tuple(self._remarks()),
            keys=tuple(sorted(key.text for key in self._keys.current)),
            unseen_payloads=sum(walked.unseen_payloads for walked in self._walked.values()),
            witnessed_at=judged[LOG_OF_LOGS].witnessed_at,
        )

    def _witnessed(self, size: int) -> dict[int, int]:
        """How large each log was when the log of logs had this size."""
        seen = {LOG_OF_LOGS: size}
        for log, sizes in self._joined.items():
            told = (
                each for each, entries in sizes.items() if any(seq < size for _, seq in entries)
            )
            seen[log] = max(told, default=0)
        return seen

    def _remarks(self) -> Iterator[str]:
        if count := self._balance.ended_twice:
            yield (
                f"{count} calls were taken for interrupted and ended after all: "
                "a gateway was cut off from its record, not dead"
            )

    def _fail(
        self,
        code: str,
        reason: str,
        log: int | None = None,
        seq: int | None = None,
        last: int | None = None,
    ) -> None:
        self._failures.append(Failure(code=code, reason=reason, log=log, seq=seq, last=last))


def _sized(size: Any) -> Iterator[int]:
    if type(size) is int and 0 <= size <= MAX_SEQ:
        yield size


def _digest(note: str) -> bytes:
    return hashlib.sha256(note.encode("utf-8", "surrogatepass")).digest()


def _order(failure: Failure) -> tuple[bool, int, bool, int]:
    """What is said of the store first; in each log the records, in order."""
    log, seq = failure.log, failure.seq
    return log is not None, log or 0, seq is None, seq or 0
