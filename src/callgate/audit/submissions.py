"""What is sent to a witness, and what it answers (C2SP tlog-witness: add-checkpoint)."""

from __future__ import annotations

from callgate.audit.notes import MAX_NOTE_BYTES
from callgate.audit.spelling import read_named, read_number, read_path, written_path
from callgate.model import Value

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"  # of the answer that says which size the witness has seen
MAX_SUBMISSION_BYTES = MAX_NOTE_BYTES + 4096
_OLD = "old"


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
        old = read_named(first, _OLD)
        if not separator or old is None:
            raise SubmissionError("a submission begins with `old`, a size and a proof")
        try:
            path = read_path(lines)
        except ValueError as error:
            raise SubmissionError(str(error)) from None
        return cls(old_size=old, path=path, checkpoint=checkpoint)

    def __str__(self) -> str:
        """The body of the request."""
        return f"{_OLD} {self.old_size}\n{written_path(self.path)}\n{self.checkpoint}"


def read_size(raw: bytes) -> int:
    """The size that the witness says to have seen. Raises SubmissionError."""
    text = raw[:64].decode("latin-1")
    size = read_number(text[:-1]) if text.endswith("\n") else None
    if size is None:
        raise SubmissionError("the answer is no size")
    return size
