"""What the index keeps of a call: entries decoded as far as needed, what they share only once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callgate.audit.explain import whole
from callgate.audit.matching import trace_of
from callgate.audit.merkle import leaf_hash
from callgate.audit.place import place
from callgate.audit.searching import MOST_LETTERS, texts_of, texts_within
from callgate.model import Json
from callgate.ports import StoreError
from callgate.storage.index.keys import (
    add_arguments,
    key,
    keys_of,
    keys_of_kind,
    keys_of_policy,
    keys_of_principal,
    keys_of_run,
)
from callgate.storage.index.record import Raws
from callgate.storage.index.words import plain
from callgate.storage.rows.telling import Blobs, told

MOST_KNOWN = 4096  # parts of calls that are remembered, of each kind

K = TypeVar("K")
V = TypeVar("V")

_Text = str | None | UnsetType
_NONE = Raw()


class _Announced(msgspec.Struct):
    sha256: str


class _Entry(msgspec.Struct):
    """What an entry's body says that its call is found by. Nothing else of it is decoded."""

    target: _Text = UNSET
    tool: _Text = UNSET
    tool_sha256: _Text = UNSET
    method: _Text = UNSET
    code: _Text = UNSET
    ran: _Text = UNSET
    delivered: bool | UnsetType | None = UNSET
    run: _Text = UNSET
    session: _Text = UNSET
    traceparent: _Text = UNSET
    reason: _Text = UNSET
    detail: Raw = _NONE
    principal: Raw = _NONE
    decision: Raw = _NONE
    changes: Raw = _NONE
    labels: Raw = _NONE
    arguments: Raw = _NONE
    content: Raw = _NONE
    payload: _Announced | UnsetType | None = UNSET


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    arguments: Raw = _NONE
    content: Raw = _NONE
    enriched: Raw = _NONE


_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_payload = msgspec.json.Decoder(_Payload).decode
_decode = msgspec.json.Decoder().decode
_sha256 = hashlib.sha256
_NAMES = _Entry.__struct_fields__


class Part:
    """Of some calls the same: what they are found by, and what is said there."""

    __slots__ = ("keys", "texts")

    def __init__(self, keys: Sequence[int] = (), texts: str = "") -> None:
        self.keys = keys
        self.texts = texts


class Gist:
    """Of one call."""

    __slots__ = ("keys", "parts", "principal", "texts", "words")

    def __init__(self) -> None:
        self.keys: set[int] = set()  # and those of the parts
        self.parts: Sequence[Part] = ()
        self.principal: int | None = None
        self.texts: str = ""  # joined; `words` says more where that is not None
        self.words: str | None = None


class _OtherwiseError(Exception):
    """Something that is rare: it is left to the plain way."""


class Gists:
    """The gists of many calls."""

    def __init__(self, blobs: Blobs | None) -> None:
        self._blobs = blobs
        self._kinds: dict[tuple[object, ...], Part] = {}
        self._runs: dict[tuple[object, ...], Part] = {}
        self._policies: dict[tuple[bytes, ...], Part] = {}
        self._principals: dict[bytes, tuple[Part, int | None]] = {}

    def of(self, rows: Sequence[Raws]) -> Gist:
        """Of a call's entries: its intent, if there is one, and its outcome. StoreError.

        INVARIANT: as `plain_gist` has it, in whatever order.
        """
        try:
            return self._of(*[_entry(row) for row in rows])
        except (_OtherwiseError, msgspec.DecodeError, TypeError, AttributeError, ValueError):
            return plain_gist([entry_of(row, self._blobs) for row in rows])

    def _of(self, entry: _Entry, outcome: _Entry | None = None) -> Gist:
        if outcome is not None:
            entry = _joined(entry, outcome)
        gist = Gist()
        principal, gist.principal = self._principal(bytes(entry.principal))
        gist.parts = (self._kind(entry), self._run(entry), principal, self._policy(entry))
        texts = [part.texts for part in gist.parts if part.texts]
        if entry.traceparent:
            trace = trace_of({"traceparent": entry.traceparent})
            if trace is not None:
                gist.keys.add(key("trace", trace))
        said: list[Json] = [entry.reason] if entry.reason else []
        if entry.arguments:
            arguments = _decode(entry.arguments)
            add_arguments(arguments, gist.keys)
            said.append(arguments)
        said += [_decode(raw) for raw in (entry.content, entry.detail) if raw]
        texts += texts_within(said)
        gist.texts = " ".join(texts)
        if len(gist.texts) >= MOST_LETTERS:
            raise _OtherwiseError
        return gist

    def _kind(self, entry: _Entry) -> Part:
        said = (
            entry.target, entry.tool, entry.tool_sha256, entry.method, entry.code, entry.ran,
            entry.delivered,
        )  # fmt: skip
        part = self._kinds.get(said)
        if part is None:
            names = ("target", "tool", "tool_sha256", "method", "code", "ran", "delivered")
            part = Part((*keys_of_kind(_said(zip(names, said, strict=True))),))
            _remember(self._kinds, said, part)
        return part

    def _run(self, entry: _Entry) -> Part:
        said = (entry.run, entry.session)
        part = self._runs.get(said)
        if part is None:
            part = Part((*keys_of_run(_said(zip(("run", "session"), said, strict=True))),))
            _remember(self._runs, said, part)
        return part

    def _principal(self, said: bytes) -> tuple[Part, int | None]:
        found = self._principals.get(said)
        if found is None:
            who = _decode(said) if said else None
            found = (
                Part((*keys_of_principal(who),)),
                None if who is None else principal_key(who),
            )
            _remember(self._principals, said, found)
        return found

    def _policy(self, entry: _Entry) -> Part:
        said = (bytes(entry.decision), bytes(entry.changes), bytes(entry.labels))
        part = self._policies.get(said)
        if part is None:
            names = ("decision", "changes", "labels")
            call = {name: _decode(raw) for name, raw in zip(names, said, strict=True) if raw}
            part = Part((*set(keys_of_policy(call)),), " ".join(texts_of(call)))
            _remember(self._policies, said, part)
        return part


def _entry(row: Raws) -> _Entry:
    """As `telling.told` has it. Whatever is not as usual is for that to say."""
    if row.body is None or leaf_hash(row.body) != row.hash:
        raise _OtherwiseError
    entry = _decode_entry(row.body)
    announced = entry.payload
    if announced is UNSET or announced is None:
        return entry
    if row.payload is None or _sha256(row.payload).hexdigest() != announced.sha256:
        raise _OtherwiseError
    payload = _decode_payload(row.payload)
    if not entry.arguments:
        entry.arguments = payload.arguments
    if not entry.content:
        entry.content = payload.content
    return entry


def _joined(intent: _Entry, outcome: _Entry) -> _Entry:
    """As `audit.explain.whole` joins them: what the outcome does not say, its intent does."""
    for name in _NAMES:
        said = getattr(outcome, name)
        if said is UNSET or said is _NONE:
            setattr(outcome, name, getattr(intent, name))
    return outcome


def _said(pairs: Iterable[tuple[str, object]]) -> dict[str, Json]:
    return {name: value for name, value in pairs if value is not UNSET}


def _remember(known: dict[K, V], said: K, part: V) -> None:
    if len(known) >= MOST_KNOWN:
        known.clear()
    known[said] = part


def plain_gist(entries: Sequence[dict[str, Json]]) -> Gist:
    """Of a call's entries as they are told."""
    call = whole(entries)
    gist = Gist()
    gist.keys = keys_of(call)
    gist.words = plain(call)
    if (who := call.get("principal")) is not None:
        gist.principal = principal_key(who)
    return gist


_WHO = ("kind", "issuer", "tenant", "id", "agent")


def principal_key(who: dict[str, Json]) -> int:
    """Of all that parts one principal from another."""
    # Nobody looks whether two share one, so it is none that they could come to share.
    said = json.dumps([who.get(name) for name in _WHO]).encode()
    return int.from_bytes(_sha256(said).digest()[:8], "big", signed=True)


def entry_of(row: Raws, blobs: Blobs | None) -> dict[str, Json]:
    """The entry as it is told, payload and all. Raises StoreError."""
    entry = told(row.kept(), blobs)
    if "payload_omitted" in entry:
        log, seq = place(row.position)
        raise StoreError(f"the payload of {log}/{seq} lies elsewhere, nobody said where")
    return entry
