"""A witness for the records of others: signs what goes on from what it has seen (tlog-witness)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callgate.audit.checkpoints import Checkpoint, open_checkpoint, read_checkpoint
from callgate.audit.keys import COSIGNATURE, NotAKeyError, SigningKey, VerifierKey
from callgate.audit.merkle import EMPTY_ROOT, ProofError, check_consistency
from callgate.audit.notes import NoteError, lines, witnessed
from callgate.audit.submissions import SIZE_TYPE, Submission, SubmissionError
from callgate.control.seen_checkpoints import Seen, SeenCheckpoints
from callgate.model import Value
from callgate.ports import Clock

TEXT = "text/plain; charset=utf-8"


class Reply(Value):
    """What the submitter is told."""

    status: int
    body: str
    media_type: str = TEXT


class _Refusal(Exception):  # noqa: N818 - says what is so
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body)
        self.reply = reply


class Countersigner:
    """INVARIANT: for each log it signs one history only, through restarts too."""

    def __init__(
        self,
        key: SigningKey,
        logs: Mapping[str, Sequence[VerifierKey]],
        seen: SeenCheckpoints,
        clock: Clock,
    ) -> None:
        """Raises NotAKeyError."""
        if key.verifier.algorithm != COSIGNATURE:
            raise NotAKeyError(f"{key.verifier.name} is the key of a log, not of a witness")
        self._key = key
        self._logs = logs
        self._seen = seen
        self._clock = clock

    def submit(self, raw: bytes) -> Reply:
        """Blocking. Raises StoreError where it cannot keep what it would sign: it does not then."""
        try:
            submission = Submission.parse(raw)
            checkpoint = self._opened(submission.checkpoint)
            kept = Seen(size=checkpoint.size, root=checkpoint.root, note=submission.checkpoint)

            def decide(before: Seen | None) -> Seen:
                _hold(before, submission, checkpoint)
                return kept

            self._seen.replace(checkpoint.origin, decide)
        except SubmissionError as error:
            return Reply(status=400, body=f"{error}\n")
        except _Refusal as refusal:
            return refusal.reply
        at = int(self._clock.now())
        return Reply(status=200, body=lines([witnessed(checkpoint.text, self._key, at)]))

    def close(self) -> None:
        """Closes what it keeps."""
        self._seen.close()

    def _opened(self, note: str) -> Checkpoint:
        """The checkpoint, if it is of a log that is watched, and signed by its key."""
        try:
            checkpoint, _ = read_checkpoint(note)
        except NoteError as error:
            raise SubmissionError(str(error)) from None
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            raise _Refusal(Reply(status=404, body="This log is not watched here.\n"))
        try:
            return open_checkpoint(note, keys).checkpoint
        except NoteError as error:
            raise _Refusal(Reply(status=403, body=f"{error}\n")) from None


def _hold(before: Seen | None, submission: Submission, checkpoint: Checkpoint) -> None:
    """Raises _Refusal unless the checkpoint goes on from what was seen before."""
    size, root = (0, EMPTY_ROOT) if before is None else (before.size, before.root)
    if submission.old_size > checkpoint.size:
        raise SubmissionError("the old size is larger than that of the checkpoint")
    if submission.old_size != size:
        raise _Refusal(Reply(status=409, body=f"{size}\n", media_type=SIZE_TYPE))
    if checkpoint.size == size and checkpoint.root != root:
        raise _Refusal(Reply(status=409, body="Another log of this size was seen.\n"))
    try:
        check_consistency(size, root, checkpoint.size, checkpoint.root, submission.path)
    except ProofError as error:
        raise _Refusal(Reply(status=422, body=f"{error}\n")) from None
