"""Whatever an entry says: the quick way to a gist finds what the plain way finds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.merkle import leaf_hash
from callgate.audit.searching import MOST_LETTERS
from callgate.model import Json
from callgate.ports import StoreError
from callgate.storage.index import gist as module
from callgate.storage.index.gist import Gist, Gists, entry_of, plain_gist, principal_key
from callgate.storage.index.keys import MOST_ARGUMENTS
from callgate.storage.index.record import Raws
from callgate.storage.index.words import plain_of
from fakes.chosen import some_calls


def said_by(gist: Gist) -> tuple[set[int], list[str], int | None]:
    """All keys, all words in any order, and who it was."""
    keys = {*gist.keys, *(key for part in gist.parts for key in part.keys)}
    words = plain_of(gist.texts) if gist.words is None else gist.words
    return keys, sorted(words.split()), gist.principal


def plainly(rows: Sequence[Raws]) -> tuple[set[int], list[str], int | None]:
    return said_by(plain_gist([entry_of(row, None) for row in rows]))


def a_row(body: bytes, payload: bytes | None = None, seq: int = 0) -> Raws:
    return Raws((1 << 40) + seq, "outcome", "c1", 0.0, leaf_hash(body), body, payload)


def rows_of(body: dict[str, Json], payload: dict[str, Json] | None = None) -> Raws:
    written = None if payload is None else msgspec.json.encode(payload)
    if written is not None:
        digest = hashlib.sha256(written).hexdigest()
        body = {**body, "payload": {"sha256": digest, "bytes": len(written)}}
    return a_row(msgspec.json.encode(body), written)


def test_gists_of_recorded_calls_are_those_of_the_plain_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_call: dict[str, list[Raws]] = {}
    for entry in some_calls(400):
        by_call.setdefault(entry.call_id, []).append(a_row(entry.body, entry.payload))
    expected = {call_id: plainly(rows) for call_id, rows in by_call.items()}
    monkeypatch.setattr(module, "plain_gist", None)  # not needed for what the gateway writes
    gists = Gists(None)
    assert {call_id: said_by(gists.of(rows)) for call_id, rows in by_call.items()} == expected


TEXTS = st.text(st.sampled_from("aB9 ü\n_-手́\x00"), max_size=8) | st.sampled_from(
    ["ok", "not_permitted", "tools/list", "00-4BF9-00f-01", "w" * 70]
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 600) | st.floats(-2, 2) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)
PRINCIPALS = st.dictionaries(
    st.sampled_from(["id", "issuer", "kind", "tenant", "agent"]), TEXTS | st.none()
)
DECISIONS = st.fixed_dictionaries(
    {},
    optional={
        "policies": st.lists(TEXTS, max_size=2) | st.none(),
        "reason": TEXTS,
        "errors": st.lists(TEXTS, max_size=2),
        "flips": st.lists(st.fixed_dictionaries({"reason": TEXTS}), max_size=2) | st.none(),
    },
)
CHANGES = st.lists(
    st.fixed_dictionaries(
        {"interceptor": TEXTS}, optional={"note": TEXTS, "labels": st.lists(TEXTS, max_size=2)}
    ),
    max_size=2,
)
_names = "target tool tool_sha256 method code ran run session traceparent reason"
SAID: dict[str, Any] = {
    **dict.fromkeys(_names.split(), TEXTS | st.none() | SCALARS),
    "delivered": st.booleans() | st.none(),
    "detail": VALUES,
    "arguments": VALUES,
    "content": VALUES,
    "principal": PRINCIPALS | st.none(),
    "decision": DECISIONS | st.none(),
    "changes": CHANGES | st.none(),
    "labels": st.lists(TEXTS, max_size=2) | st.none(),
    "client": VALUES,
}
BODIES = st.fixed_dictionaries({"kind": st.just("outcome"), "at": st.just("")}, optional=SAID)
PAYLOADS = st.none() | st.fixed_dictionaries(
    {}, optional={name: SAID[name] for name in ("arguments", "content", "code", "reason")}
)


@given(st.lists(st.tuples(BODIES, PAYLOADS), min_size=1, max_size=2))
def test_gists_are_those_of_the_plain_way(said: list[tuple[Any, Any]]) -> None:
    rows = [rows_of(body, payload) for body, payload in said]
    try:
        expected = plainly(rows)
    except TypeError:  # a part of another kind than any gateway writes
        return
    assert said_by(Gists(None).of(rows)) == expected


def test_no_principal_is_taken_for_another() -> None:
    alike: list[dict[str, Json]] = [
        {"id": "ada", "agent": None},
        {"id": "ada", "agent": "None"},
        {"id": "ada\0b", "agent": "c"},
        {"id": "ada", "agent": "b\0c"},
    ]
    assert len(set(map(principal_key, alike))) == len(alike)


@pytest.mark.parametrize(
    "content", [["word"] * 60_000, "x" * (MOST_LETTERS + 9), {"a": [*range(MOST_ARGUMENTS + 5)]}]
)
def test_bounds_are_those_of_the_plain_way(content: Json) -> None:
    rows = [rows_of({"kind": "outcome", "at": ""}, {"arguments": content, "content": content})]
    keys, words, _ = said_by(Gists(None).of(rows))
    plain_keys, plain_words, _ = plainly(rows)
    assert (keys, words) == (plain_keys, plain_words)


def test_entry_that_was_tampered_with_is_an_error() -> None:
    row = rows_of({"kind": "outcome", "at": ""}, {"arguments": {"a": 1}})
    for changed in (row._replace(hash=b"\0" * 32), row._replace(payload=b"{}")):
        with pytest.raises(StoreError, match="record 1/0 was tampered with"):
            Gists(None).of([changed])
    with pytest.raises(StoreError, match="lies elsewhere, nobody said where"):
        Gists(None).of([row._replace(payload=None)])
