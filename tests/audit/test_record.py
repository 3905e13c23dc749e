from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.audit.event import event
from callgate.audit.keeping import Keeping
from callgate.audit.masks import Masks
from callgate.audit.record import (
    MAX_COLUMN_CHARACTERS,
    column,
    content_of,
    entry_of,
    in_microseconds,
    indexed,
    instant,
    interrupted,
    rfc3339,
    written,
)
from callgate.audit.telling import intent
from callgate.model import Ran, Verdict
from fakes.calls import a_principal
from fakes.store import NOW, an_ending_call, an_intent, an_outcome

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)
HEAD: dict[str, Any] = {"format": 2, "kind": "event", "call": "e1", "at": rfc3339(NOW)}


def said(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body)  # type: ignore[no-any-return]


@given(
    st.floats(0, 4_000_000_000),
    st.sampled_from([None, "not_permitted", "result_withheld"]),
    st.sampled_from(Ran),
    st.dictionaries(st.text(), JSON),
)
def test_every_index_field_can_be_read_again_from_the_body(
    at: float, code: str | None, ran: Ran, arguments: dict[str, Any]
) -> None:
    verdict = Verdict(is_permitted=code is None, errors=("e",), reason="r")
    more: dict[str, Any] = {"ran": ran, "arguments": arguments, "verdict": verdict, "run": "r1"}
    for entry in (an_intent("c1", at, **more), an_outcome("c1", at, code, **more)):
        assert indexed(entry.body, entry.payload) == entry


@given(st.text(max_size=700), st.text(max_size=700))
def test_names_of_any_length_and_kind_are_indexed_as_the_body_tells_them(
    identifier: str, tool: str
) -> None:
    principal = a_principal(identifier, agent=tool)
    entry = an_intent("c1", principal=principal, requested_name=tool)

    assert indexed(entry.body, entry.payload) == entry
    assert len(entry.principal or "") <= MAX_COLUMN_CHARACTERS
    assert "\0" not in (entry.principal or "")


def test_a_column_is_short_and_has_no_nul() -> None:
    assert column("a\0b") == "a\ufffdb"
    assert column("x" * 501) == "x" * 500
    assert column(None) is None


def test_the_body_has_the_digest_of_the_payload() -> None:
    entry = an_intent("c1")

    assert entry.payload == b'{"arguments":{"customer":"c1","amount":5}}'
    assert said(entry.body)["payload"] == {
        "sha256": hashlib.sha256(entry.payload).hexdigest(),
        "bytes": len(entry.payload),
    }


def test_an_entry_without_a_payload_announces_none() -> None:
    entry = entry_of({**HEAD, "event": "x"}, NOW)

    assert entry.payload is None
    assert "payload" not in said(entry.body)


def test_a_payload_adds_to_what_the_body_says_and_changes_nothing() -> None:
    entry = event("x", NOW, {"a": 1}, payload={"a": 2, "kind": "intent", "b": 3})
    told = content_of(entry)

    assert (told["a"], told["kind"], told["b"]) == (1, "event", 3)
    assert "payload" not in told


@given(st.floats(0, 4_000_000_000))
@example(562949953.9046845)  # half a microsecond: two ways to round it
def test_instants_are_kept_to_the_microsecond(at: float) -> None:
    assert instant(rfc3339(at)) == in_microseconds(at) == pytest.approx(at, abs=1e-6, rel=0)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b'"intent"', b"{}", b'{"kind":"intent","call":"c","at":"soon"}', b"1"],
)
def test_body_that_is_no_entry_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        indexed(body)


def test_interrupted_outcome_keeps_what_the_intent_knew() -> None:
    call = an_ending_call("c1", run="r1", enriched={"geo": {"country": "de"}})
    intended = intent(call, NOW, Keeping(masks=Masks.parse(("customer",))))
    entry = interrupted(intended.body, NOW + 60)
    assert indexed(entry.body) == entry
    assert entry == replace(
        intended,
        kind="outcome",
        at=NOW + 60,
        body=entry.body,
        code="interrupted",
        ran="unknown",
        is_delivered=False,
        payload=None,
    )
    body = said(entry.body)
    assert body["decision"] == said(intended.body)["decision"]
    assert body["received_at"] == said(intended.body)["received_at"]
    assert not {"arguments", "arguments_sha256", "payload", "masked"} & body.keys()


def test_an_intent_of_the_format_before_can_still_be_interrupted() -> None:
    body = {**HEAD, "format": 1, "kind": "intent", "call": "c1", "arguments": {"a": 1}}

    entry = interrupted(msgspec.json.encode(body), NOW + 60)

    assert (entry.kind, entry.code, entry.run) == ("outcome", "interrupted", None)
    assert "arguments" not in said(entry.body)


@pytest.mark.parametrize(
    ("oddity", "kept"),
    [
        ("a\ud800b", "a\ufffd\ufffd\ufffdb"),
        ({"\udfff": 1}, {"\ufffd\ufffd\ufffd": 1}),
        (object(), "(object)"),
        ({1, 2}, [1, 2]),
        (float("inf"), None),
        ([object(), float("nan"), 2**80, True, None], ["(object)", "nan", f"{2**80:#x}", True, None]),
    ],
)  # fmt: skip
def test_nothing_that_a_peer_says_can_keep_an_entry_from_being_written(
    oddity: Any, kept: Any
) -> None:
    assert said(written({"a": oddity})) == {"a": kept}
    entry = entry_of({**HEAD, "event": "x", "a": oddity}, NOW, payload={"b": oddity})
    assert indexed(entry.body, entry.payload) == entry


def test_what_is_nested_without_end_is_cut() -> None:
    nested: list[Any] = []
    nested.append(nested)

    assert b"(nested too deep)" in written({"a": nested})


@pytest.mark.parametrize(
    "text", ["a\r\nb", "\x1b[2J", "\u202egnp.exe", "\u2028", "\x85", "\0", "</script>", '"}\n{"']
)
def test_no_text_breaks_the_line_that_an_entry_is(text: str) -> None:
    call = an_ending_call(
        "c1",
        arguments={text: text},
        principal=a_principal(text, text, agent=text, claims={text: text}),
        requested_name=text,
        enriched={"i": {text: text}},
        session_id=text,
    )
    entry = intent(call, NOW, Keeping())
    assert entry.payload is not None

    for line in (entry.body, entry.payload):
        assert b"\n" not in line
        assert b"\r" not in line
        assert b"\x1b" not in line
        assert b"\0" not in line
    assert content_of(entry)["arguments"] == {text: text}
    assert indexed(entry.body, entry.payload) == entry
