"""What a walk along the record finds: how far each log is proved, and what does not hold."""

from __future__ import annotations

from typing import Any

from callgate.model import Value

# What can be wrong, as programs are told.
RECORD_EDITED = "record_edited"
COLUMN_EDITED = "column_edited"
PAYLOAD_EDITED = "payload_edited"
RECORD_MISSING = "record_missing"
RECORD_MISPLACED = "record_misplaced"
RECORDS_CHANGED = "records_changed"
DELETED_UNSAID = "deleted_unsaid"
LOG_CUT = "log_cut"
LOG_MISSING = "log_missing"
FORK = "fork"
CHECKPOINT_EDITED = "checkpoint_edited"
UNKNOWN_KEY = "unknown_key"
TILE_EDITED = "tile_edited"
CALL_TWICE = "call_twice"
OUTCOME_WITHOUT_INTENT = "outcome_without_intent"
ANOTHER_STORE = "another_store"
NOT_WITNESSED = "not_witnessed"
UNCOVERED = "uncovered"


class Failure(Value):
    """One thing that does not hold. Where a record is to blame: which, or which it may be."""

    code: str
    reason: str  # a sentence's end: "its body was edited"
    log: int | None = None
    seq: int | None = None  # the first record that it can be
    last: int | None = None  # the last that it can be; None: it is that one

    @property
    def where(self) -> str:
        """Which record, log or store, in words."""
        if self.log is None:
            return "the store"
        if self.seq is None:
            return f"log {self.log}"
        if self.last is None or self.last == self.seq:
            return f"record {self.log}/{self.seq}"
        return f"one of the records {self.log}/{self.seq} to {self.log}/{self.last}"

    def __str__(self) -> str:
        """The sentence."""
        return f"{self.where}: {self.reason}"


class LogState(Value):
    """How far one log is proved."""

    log: int
    size: int  # records that are there, or that precede the first that fails
    covered: int  # of them, so many are under a checkpoint that is signed by a key that counts
    witnessed: int | None = None  # and so many were seen by enough witnesses; None: nobody asked
    checkpoint: str | None = None  # the newest that holds, to keep elsewhere


class Verification(Value):
    """What was found. Nothing but `failures` says that something is wrong."""

    origin: str
    logs: tuple[LogState, ...]
    failures: tuple[Failure, ...] = ()  # in each log the first; in order of the logs
    remarks: tuple[str, ...] = ()  # what is no fault, but should be known
    keys: tuple[str, ...] = ()  # that count: those that were given, and those that they led to
    unseen_payloads: int = 0  # that are not in an export: their digests were not looked at
    witnessed_at: int | None = None  # when the witnesses that are asked for last saw the record

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(state.size for state in self.logs)

    @property
    def uncovered(self) -> int:
        """How many are under no checkpoint: of them nothing is proved."""
        return sum(state.size - state.covered for state in self.logs)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "holds": self.holds,
            "origin": self.origin,
            "records": self.records,
            "uncovered": self.uncovered,
            "unseen_payloads": self.unseen_payloads,
            "keys": list(self.keys),
            "witnessed_at": self.witnessed_at,
            "failures": [
                {
                    "code": one.code,
                    "log": one.log,
                    "seq": one.seq,
                    "last": one.last,
                    "where": one.where,
                    "reason": one.reason,
                }
                for one in self.failures
            ],
            "remarks": list(self.remarks),
            "logs": [
                {
                    "log": one.log,
                    "size": one.size,
                    "covered": one.covered,
                    "witnessed": one.witnessed,
                    "checkpoint": one.checkpoint,
                }
                for one in self.logs
            ],
        }
