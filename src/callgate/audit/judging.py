"""Signed statements about logs, held against what the logs are: which count, which contradict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callgate.audit.checkpoints import log_origin, read_checkpoint
from callgate.audit.findings import (
    CHECKPOINT_EDITED,
    FORK,
    LOG_CUT,
    LOG_MISSING,
    RECORDS_CHANGED,
    TILE_EDITED,
    UNKNOWN_KEY,
    Failure,
)
from callgate.audit.keys import VerifierKey
from callgate.audit.notes import NoteError
from callgate.audit.place import LOG_OF_LOGS
from callgate.audit.walking import Walked
from callgate.model import Value

MOST = 10  # failures of one kind in one log


class Statement(Value):
    """What is said, somewhere, of one log at one size; nothing of it is verified."""

    size: Any
    note: Any
    source: str  # in words: "its checkpoint of size 17"
    seq: int | None = None  # of the entry in the log of logs that says it
    is_vouched: bool = False  # the log of logs has it, under a checkpoint that counts


class Judged(Value):
    """What signed statements say of one log."""

    covered: int = 0  # the largest size of which a key that counts has signed the root
    checkpoint: str | None = None  # that note
    witnessed: int = 0  # the largest of these sizes that enough witnesses have seen
    witnessed_at: int | None = None
    failures: tuple[Failure, ...] = ()


class Keys:
    """Which keys count: those that were given, and those that what they sign leads to."""

    def __init__(self, given: Iterable[VerifierKey], witnesses: Iterable[VerifierKey]) -> None:
        self.current = set(given)
        self.former: set[VerifierKey] = set()  # named beside one that counts: for older checkpoints
        self.witnesses = frozenset(witnesses)

    def known(self) -> frozenset[VerifierKey]:
        """Those whose signatures are looked at."""
        return self.witnesses | self.current | self.former

    def learn(self, added: VerifierKey, others: Iterable[VerifierKey]) -> bool:
        """Takes the keys of a change that a key which counts has signed: whether one is new."""
        before = len(self.current), len(self.former)
        self.current.add(added)
        self.former.update(others)
        self.former -= self.current
        return (len(self.current), len(self.former)) != before


class _Told(Value):
    """A statement that a key which counts has signed."""

    size: int
    root: bytes
    statement: Statement
    seen_at: tuple[int, ...]  # by the witnesses that were asked for
    is_current: bool


class Judge:
    """Holds the statements about one log against a walk along it."""

    def __init__(self, origin: str, walked: Walked, keys: Keys, quorum: int) -> None:
        self._origin = log_origin(origin, walked.log)
        self._walked = walked
        self._keys = keys
        self._known = keys.known()
        self._quorum = quorum
        self._failures: list[Failure] = []
        self._good: list[int] = []  # sizes at which records and statement agree
        self._newest: _Told | None = None  # of these, signed by a key that counts now
        self._former: _Told | None = None
        self._seen: _Told | None = None
        self._bad: _Told | None = None  # the smallest that does not agree
        self._beyond: _Told | None = None  # the largest of more records than there are

    def judged(self, statements: Iterable[Statement]) -> Judged:
        """All of it."""
        for statement in statements:
            if (told := self._opened(statement)) is not None:
                self._weigh(told)
        covered = self._newest.size if self._newest else 0
        former = self._former
        if former is not None and former.size > covered:
            self._say(UNKNOWN_KEY, former.statement, "is signed by a key that counts no more")
        self._contradictions()
        self._cut()
        self._tiles()
        return Judged(
            covered=covered,
            checkpoint=self._newest.statement.note if self._newest else None,
            witnessed=self._seen.size if self._seen else 0,
            witnessed_at=max(self._seen.seen_at) if self._seen else None,
            failures=tuple(self._failures),
        )

    def _opened(self, statement: Statement) -> _Told | None:
        """None where it does not count; why, is a failure then."""
        try:
            if not isinstance(statement.note, str):
                raise NoteError("it is no text")
            checkpoint, note = read_checkpoint(statement.note)
            # What the log of logs has is signed with it: half of all signatures need no look.
            signers = {} if statement.is_vouched else note.signed_by(self._known)
        except NoteError as error:
            self._say(CHECKPOINT_EDITED, statement, f"was edited: {error}")
            return None
        is_of_it = type(statement.size) is int and checkpoint.size == statement.size
        if checkpoint.origin != self._origin or not is_of_it:
            about = f"{checkpoint.origin} at size {checkpoint.size}"
            self._say(CHECKPOINT_EDITED, statement, f"was put there for another: it is of {about}")
            return None
        is_current = statement.is_vouched or not signers.keys().isdisjoint(self._keys.current)
        if not is_current and signers.keys().isdisjoint(self._keys.former):
            self._say(UNKNOWN_KEY, statement, "is signed by no key that counts")
            return None
        return _Told(
            size=checkpoint.size,
            root=checkpoint.root,
            statement=statement,
            seen_at=tuple(at for at in signers.values() if at is not None),
            is_current=is_current,
        )

    def _weigh(self, told: _Told) -> None:
        if told.size > self._walked.size:
            self._beyond = max(self._beyond or told, told, key=_size)
        elif told.size not in self._walked.roots:
            return  # it was not there when the walk began
        elif self._walked.roots[told.size] != told.root:
            self._bad = min(self._bad or told, told, key=_size)
        else:
            self._good.append(told.size)
            if told.is_current:
                self._newest = max(self._newest or told, told, key=_size)
            else:
                self._former = max(self._former or told, told, key=_size)
            if 0 < self._quorum <= len(told.seen_at):
                self._seen = max(self._seen or told, told, key=_size)

    def _contradictions(self) -> None:
        """The smallest size at which a signed root is not that of the records."""
        bad, log = self._bad, self._walked.log
        if bad is None:
            return
        source = bad.statement.source
        if any(size >= bad.size for size in self._good):
            reason = f"{source} is signed, and so is what contradicts it: there were two logs"
            self._failures.append(Failure(code=FORK, reason=reason, log=log))
            return
        first = max((size for size in self._good if size < bad.size), default=0)
        last = bad.size - 1
        reason = f"{source} is signed for other records"
        for odd in self._walked.odd_tiles:
            if odd.seq is not None and first <= odd.seq <= last:
                first = last = odd.seq
                reason = "it is not the record whose hash is in the tiles, and " + reason
                if odd.stood_at is not None:
                    reason += f"; this one stood at {log}/{odd.stood_at}"
                break
        self._failures.append(
            Failure(code=RECORDS_CHANGED, reason=reason, log=log, seq=first, last=last)
        )

    def _cut(self) -> None:
        """A signed size that the log does not have."""
        if self._beyond is None or self._walked.fault is not None:
            return
        log, size = self._walked.log, self._walked.size
        reason = f"{self._beyond.statement.source} is signed for {self._beyond.size} records"
        if size == 0:
            failure = Failure(code=LOG_MISSING, reason=f"all of it is missing: {reason}", log=log)
        else:
            reason = f"it and all behind it are missing: {reason}"
            failure = Failure(code=LOG_CUT, reason=reason, log=log, seq=size)
        self._failures.append(failure)

    def _tiles(self) -> None:
        """Tiles that do not fit records which are as signed."""
        if self._bad or self._beyond or self._walked.fault:
            return  # the tiles may be right then
        for odd in self._walked.odd_tiles[:MOST]:
            reason = f"its tile {odd.number} of level {odd.level} was edited: {odd.reason}"
            self._failures.append(Failure(code=TILE_EDITED, reason=reason, log=self._walked.log))

    def _say(self, code: str, statement: Statement, reason: str) -> None:
        if sum(one.code == code for one in self._failures) < MOST:
            log, seq = self._walked.log, None
            if statement.seq is not None:
                log, seq = LOG_OF_LOGS, statement.seq
            self._failures.append(
                Failure(code=code, reason=f"{statement.source} {reason}", log=log, seq=seq)
            )


def _size(told: _Told) -> int:
    return told.size
