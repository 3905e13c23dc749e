"""Signed notes (C2SP signed-note): a text, and lines that say who signed it."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from callgate.audit.cosignatures import cosign, cosigned_at
from callgate.audit.keys import ID_BYTES, NOTE, SigningKey, VerifierKey, is_name
from callgate.audit.spelling import strict_base64
from callgate.model import Value

MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 100
_DASH = "— "


class NoteError(ValueError):
    """This is no signed note, or not one to be believed; the message says why."""


class Signature(Value):
    """One line below a note. Name and id together say which key it is of."""

    name: str
    key_id: bytes
    signature: bytes  # of a witness: time first

    @property
    def line(self) -> str:
        """As it stands in the note, without the line break."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}"

    def is_of(self, key: VerifierKey) -> bool:
        """Whether it says to be of this key; whether that is so is another question."""
        return self.name == key.name and self.key_id == key.id


class Note(Value):
    """A text with its signatures, as read: nothing of it is verified."""

    text: str  # ends with a line break
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, raw: str | bytes) -> Note:
        """Raises NoteError."""
        raw = _characters(raw)
        head, separator, tail = raw.rpartition("\n\n")
        if not separator or not head:
            raise NoteError("a signed note has a text, an empty line and signatures")
        return cls(text=head + "\n", signatures=read_signatures(tail))

    def __str__(self) -> str:
        """The note as it is kept and sent."""
        return f"{self.text}\n{lines(self.signatures)}"

    def signed_by(self, keys: Iterable[VerifierKey]) -> dict[VerifierKey, int | None]:
        """Which of these keys signed it, and for witnesses when.

        Signatures of other keys do not count. Raises NoteError where one that says to be of one
        of these keys is not.
        """
        found: dict[VerifierKey, int | None] = {}
        known = tuple(keys)
        for signature in self.signatures:
            for key in known:
                if signature.is_of(key):
                    found[key] = self._checked(signature, key)
        return found

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """The note with these lines too, those that it has already only once."""
        return Note(text=self.text, signatures=tuple(dict.fromkeys((*self.signatures, *more))))

    def _checked(self, signature: Signature, key: VerifierKey) -> int | None:
        if key.algorithm == NOTE:
            if key.verifies(self.text.encode(), signature.signature):
                return None
        elif (at := cosigned_at(key, self.text, signature.signature)) is not None:
            return at
        raise NoteError(f"the signature of {key.name} does not fit the text above it")


def sign(text: str, keys: Iterable[SigningKey]) -> Note:
    """The text signed by these keys."""
    made = (
        Signature(name=key.verifier.name, key_id=key.verifier.id, signature=key.sign(text.encode()))
        for key in keys
    )
    return Note(text=text, signatures=tuple(made))


def witnessed(text: str, key: SigningKey, at: int) -> Signature:
    """The line of a witness for a checkpoint with this text."""
    return Signature(
        name=key.verifier.name, key_id=key.verifier.id, signature=cosign(key, text, at)
    )


def read_signatures(raw: str | bytes) -> tuple[Signature, ...]:
    """Signature lines, each ended by a line break. Raises NoteError."""
    raw = _characters(raw)
    if not raw.endswith("\n"):
        raise NoteError("the last line does not end")
    texts = raw[:-1].split("\n")
    if len(texts) > MAX_SIGNATURES:
        raise NoteError(f"there are more than {MAX_SIGNATURES} signatures")
    return tuple(_signature(text) for text in texts)


def lines(signatures: Iterable[Signature]) -> str:
    """Signature lines, each ended by a line break."""
    return "".join(f"{one.line}\n" for one in signatures)


def split_notes(text: str) -> list[str]:
    """The checkpoints in a file that has one, or many after each other.

    What stands between them is passed over: a crash may have cut one off.
    """
    notes: list[str] = []
    body: list[str] = []
    signatures: list[str] = []
    is_over = False  # the body, by an empty line
    for line in [*text.split("\n"), ""]:
        if line.startswith(_DASH) and body and is_over:
            signatures.append(line)
            continue
        if signatures:
            notes.append("\n".join([*body, "", *signatures, ""]))
        if signatures or (line and is_over):
            body, signatures, is_over = [], [], False
        if line:
            body.append(line)
        else:
            is_over = bool(body)
    return notes


def _characters(raw: str | bytes) -> str:
    if len(raw) > MAX_NOTE_BYTES:
        raise NoteError(f"a signed note has at most {MAX_NOTE_BYTES} bytes")
    try:
        # A lone surrogate in a text could not be signed or kept either.
        text = raw.decode() if isinstance(raw, bytes) else raw.encode().decode()
    except UnicodeError:
        raise NoteError("a signed note is UTF-8") from None
    if any(character < " " and character != "\n" for character in text):
        raise NoteError("a signed note has no control characters")
    return text


def _signature(text: str) -> Signature:
    name, _, encoded = text.removeprefix(_DASH).partition(" ")
    if not text.startswith(_DASH) or not is_name(name):
        raise NoteError("a signature is a line `— name base64`")
    try:
        decoded = strict_base64(encoded)
    except ValueError as error:
        raise NoteError(f"the signature of {name}: {error}") from None
    if len(decoded) <= ID_BYTES:
        raise NoteError(f"the signature of {name} is too short")
    return Signature(name=name, key_id=decoded[:ID_BYTES], signature=decoded[ID_BYTES:])
