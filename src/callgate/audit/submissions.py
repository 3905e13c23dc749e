"""What is sent to a witness, and what it answers (C2SP tlog-witness: add-checkpoint)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from callgate.audit.keys import strict_base64
from callgate.audit.merkle import MAX_SIZE
from callgate.audit.notes import MAX_NOTE_BYTES
from callgate.model import Value

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"  # of the answer that says which size the witness has seen
MAX_STEPS = 63
MAX_SUBMISSION_BYTES = MAX_NOTE_BYTES + 4096
_SIZE = r"(0|[1-9][0-9]{0,18})"
_OLD = re.compile(rf"old {_SIZE}", re.ASCII)
_ANSWER = re.compile(rf"{_SIZE}\n", re.ASCII)


class SubmissionError(ValueError):
    """This is no such request or answer; the message says why."""


class Submission(Value):
    """A checkpoint, and the proof that it goes on from the one that the witness has seen."""

    old_size: int
    path: tuple[bytes, ...]
    checkpoint: str  # a signed note

    @classmethod
    def parse(cls, raw: bytes) -> Submission:
        """The body of a request. Raises SubmissionError."""
        if len(raw) > MAX_SUBMISSION_BYTES:
            raise SubmissionError(f"a submission has at most {MAX_SUBMISSION_BYTES} bytes")
        try:
            head, separator, checkpoint = raw.decode().partition("\n\n")
        except UnicodeError:
            raise SubmissionError("a submission is UTF-8") from None
        first, *lines = head.split("\n")
        old = _OLD.fullmatch(first)
        if not separator or old is None or int(old[1]) > MAX_SIZE:
            raise SubmissionError("a submission begins with `old`, a size and a proof")
        if len(lines) > MAX_STEPS:
            raise SubmissionError(f"a proof has at most {MAX_STEPS} hashes")
        try:
            path = tuple(strict_base64(line) for line in lines)
        except ValueError as error:
            raise SubmissionError(f"a hash of the proof: {error}") from None
        return cls(old_size=int(old[1]), path=path, checkpoint=checkpoint)

    def __str__(self) -> str:
        """The body of the request."""
        steps: Sequence[str] = [f"{base64.b64encode(step).decode()}\n" for step in self.path]
        return f"old {self.old_size}\n{''.join(steps)}\n{self.checkpoint}"


def read_size(raw: bytes) -> int:
    """The size that the witness says to have seen. Raises SubmissionError."""
    found = _ANSWER.fullmatch(raw[:64].decode("latin-1"))
    if found is None or int(found[1]) > MAX_SIZE:
        raise SubmissionError("the answer is no size")
    return int(found[1])
