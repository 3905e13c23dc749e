"""How keys follow each other: a new one is named in the log under what the old one has signed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from callgate.audit.event import event
from callgate.audit.keys import NOTE, NotAKeyError, SigningKey, VerifierKey, key_lines
from callgate.audit.notes import Note, NoteError
from callgate.audit.record import Entry
from callgate.model import Value

KEY_CHANGED = "signing_key_changed"
MAX_KEYS = 8  # that sign at once: one, but for a time of change


class _Named(msgspec.Struct):
    added: str
    keys: list[str]


_decode = msgspec.json.Decoder(_Named).decode


def read_keys(text: str, origin: str) -> tuple[SigningKey, ...]:
    """The keys of a key file, one a line, `#` for remarks. All of them sign each checkpoint.

    Raises NotAKeyError.
    """
    keys = tuple(map(SigningKey.parse, key_lines(text)))
    if not keys:
        raise NotAKeyError("there is no key in it")
    if len(keys) > MAX_KEYS:
        raise NotAKeyError(f"there are more than {MAX_KEYS} keys in it")
    for key in keys:
        if key.verifier.name != origin or key.verifier.algorithm != NOTE:
            raise NotAKeyError(f"it is the key of {key.verifier.name}, not of {origin}")
    if len({key.verifier for key in keys}) < len(keys):
        raise NotAKeyError("one key is in it twice")
    return keys


def written_keys(keys: Iterable[SigningKey]) -> str:
    """The text of a key file."""
    return "".join(f"{key.text}\n" for key in keys)


def newcomers(keys: Sequence[SigningKey], last_note: str | None) -> list[VerifierKey]:
    """Which of the keys have not signed the newest checkpoint of a log.

    Each needs its `key_changed` in that log before it signs there, so that who trusts an older key
    may trust it. Of a log without a checkpoint: all but the first.
    """
    if last_note is None:
        return [key.verifier for key in keys[1:]]
    try:
        signatures = Note.parse(last_note).signatures
    except NoteError:
        signatures = ()
    return [key.verifier for key in keys if not any(one.is_of(key.verifier) for one in signatures)]


def key_changed(added: VerifierKey, keys: Iterable[SigningKey], at: float) -> Entry:
    """The event by which a log names a key that signs it from now on, beside or after others."""
    said = {"added": added.text, "keys": [key.verifier.text for key in keys]}
    return event(KEY_CHANGED, at, said)


class Change(Value):
    """What such an event names."""

    added: VerifierKey
    others: tuple[VerifierKey, ...]  # that signed then, too


def read_change(body: bytes, origin: str) -> Change | None:
    """None where the body is of no such event of this store."""
    try:
        said = _decode(body)
        added, *others = (VerifierKey.parse(text) for text in (said.added, *said.keys[:MAX_KEYS]))
    except (msgspec.DecodeError, UnicodeError, NotAKeyError):
        return None
    if any(key.name != origin or key.algorithm != NOTE for key in (added, *others)):
        return None
    return Change(added=added, others=tuple(others))
