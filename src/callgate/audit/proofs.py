"""That an entry is in a log, as a text that proves itself (C2SP tlog-proof v1)."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.audit.checkpoints import SignedCheckpoint, open_checkpoint
from callgate.audit.keys import VerifierKey
from callgate.audit.merkle import ProofError, check_inclusion, leaf_hash
from callgate.audit.notes import NoteError
from callgate.audit.spelling import read_named, read_path, written_path
from callgate.model import Value

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MAX_PROOF_CHARACTERS = 1 << 20
_INDEX = "index"


class Proof(Value):
    """The place of an entry, the way to the root, and the checkpoint that has the root."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str  # a signed note

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Raises ProofError."""
        head, separator, checkpoint = text.partition("\n\n")
        if not separator or len(text) > MAX_PROOF_CHARACTERS:
            raise ProofError("a proof has a head, an empty line and a checkpoint")
        first, *lines = head.split("\n")
        if first != FIRST_LINE:
            raise ProofError(f"a proof begins with {FIRST_LINE}")
        if lines and lines[0].startswith("extra "):
            del lines[0]  # says nothing to us, and is not signed
        index = read_named(lines[0], _INDEX) if lines else None
        if index is None:
            raise ProofError("a proof has the index of the entry, and hashes")
        try:
            path = read_path(lines[1:])
        except ValueError as error:
            raise ProofError(str(error)) from None
        return cls(index=index, path=path, checkpoint=checkpoint)

    def __str__(self) -> str:
        """The text, for a file that ends in `.tlog-proof`."""
        path = written_path(self.path)
        return f"{FIRST_LINE}\n{_INDEX} {self.index}\n{path}\n{self.checkpoint}"

    def check(
        self, entry: bytes, keys: Iterable[VerifierKey], witnesses: Iterable[VerifierKey] = ()
    ) -> SignedCheckpoint:
        """The checkpoint that covers the entry, a record's body. Raises ProofError."""
        try:
            opened = open_checkpoint(self.checkpoint, keys, witnesses)
        except NoteError as error:
            raise ProofError(str(error)) from error
        said = opened.checkpoint
        check_inclusion(leaf_hash(entry), self.index, said.size, self.path, said.root)
        return opened
