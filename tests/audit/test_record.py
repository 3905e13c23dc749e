from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.audit.record import (
    MASKED,
    Masks,
    in_microseconds,
    indexed,
    instant,
    intent,
    interrupted,
    outcome,
    rfc3339,
)
from callgate.model import Change, Outcome, Ran, Reply, Verdict
from callgate.protocol.methods import method_tool
from fakes.calls import a_call
from fakes.store import NOW, an_ending_call, an_intent, an_outcome

NONE = Masks()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


def said(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body)  # type: ignore[no-any-return]


def test_intent_says_who_calls_what_and_why_it_may() -> None:
    body = said(an_intent("c1").body)
    assert body["principal"]["id"] == "ada"
    assert (body["target"], body["tool"], body["name"]) == ("shop", "refund", "shop___refund")
    assert body["arguments"] == {"customer": "c1", "amount": 5}
    assert body["arguments_sha256"] == "5" * 64
    assert body["decision"]["policies"] == ["p1"]
    assert body["received_at"] == rfc3339(NOW)


def test_intent_says_nothing_of_an_outcome() -> None:
    entry = an_intent()
    assert (entry.code, entry.ran, entry.is_delivered) == (None, None, None)
    assert not {"code", "ran", "delivered"} & said(entry.body).keys()


def test_outcome_says_what_ran_and_what_was_delivered_but_not_the_result_itself() -> None:
    entry = an_outcome(reply=Reply(body=b'{"content":["secret"]}'))
    body = said(entry.body)
    assert (body["code"], body["ran"], body["delivered"]) == ("ok", "yes", True)
    assert body["result"] == {
        "sha256": hashlib.sha256(b'{"content":["secret"]}').hexdigest(),
        "bytes": 22,
        "error": False,
        "failed": False,
    }
    assert b"secret" not in entry.body
    assert body["seconds"] == {"identify": 0.001, "forward": 0.0115}


def test_arguments_are_recorded_once_where_there_is_an_intent_and_in_every_refusal() -> None:
    assert "arguments" in said(an_intent().body)
    assert "arguments" not in said(an_outcome().body)
    refused = an_outcome(code="not_permitted")
    assert said(refused.body)["arguments"] == {"customer": "c1", "amount": 5}


def test_answer_of_an_interceptor_is_recorded_with_the_arguments() -> None:
    answered = an_outcome(is_answered=True, ran=Ran.NO)
    assert "arguments" in said(answered.body)


def test_what_interceptors_did_is_recorded_with_paths_but_without_values() -> None:
    change = Change(interceptor="redact", phase="request", action="changed", paths=("/note",))
    (recorded,) = said(an_intent(changes=(change,)).body)["changes"]
    assert recorded == {
        "interceptor": "redact",
        "phase": "request",
        "action": "changed",
        "paths": ["/note"],
        "note": "",
        "seconds": 0.0,
    }


def test_call_of_which_little_is_known_is_recorded_all_the_same() -> None:
    call = a_call(id="c9", requested_name="what", route="shop")
    ended = Outcome(call=call, timings=(), refusal_code="unknown_tool", reason="There is none.")
    entry = outcome(ended, NOW, NONE)
    assert (entry.principal, entry.target, entry.tool) == (None, "shop", None)
    assert indexed(entry.body) == entry


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ((), {"a": {"b": [1, {"c": 2}]}, "d": "e"}),
        (("d",), {"a": {"b": [1, {"c": 2}]}, "d": MASKED}),
        (("a",), {"a": MASKED, "d": "e"}),
        (("a.b.1.c",), {"a": {"b": [1, {"c": MASKED}]}, "d": "e"}),
        (("a.b.*",), {"a": {"b": [MASKED, MASKED]}, "d": "e"}),
        (("*.b",), {"a": {"b": MASKED}, "d": "e"}),
        (("a.b.*.c", "d"), {"a": {"b": [1, {"c": MASKED}]}, "d": MASKED}),
        (("a.x", "d.e", "a.b.7", "x"), {"a": {"b": [1, {"c": 2}]}, "d": "e"}),
    ],
)
def test_masked_paths_never_reach_the_record(paths: tuple[str, ...], expected: object) -> None:
    arguments = {"a": {"b": [1, {"c": 2}]}, "d": "e"}
    before = msgspec.json.encode(arguments)
    call = an_ending_call("c1", arguments=arguments)
    masks = Masks.parse(paths)
    assert said(intent(call, NOW, masks).body)["arguments"] == expected
    refused = Outcome(call=call, timings=(), refusal_code="not_permitted")
    assert said(outcome(refused, NOW, masks).body)["arguments"] == expected
    assert msgspec.json.encode(arguments) == before


@given(JSON)
def test_masks_that_hit_nothing_change_nothing(arguments: Any) -> None:
    assert Masks.parse(("no-such-key",)).apply(arguments) is arguments


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
    more: dict[str, Any] = {"ran": ran, "arguments": arguments, "verdict": verdict}
    for entry in (an_intent("c1", at, **more), an_outcome("c1", at, code, **more)):
        assert indexed(entry.body) == entry


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
    intended = an_intent("c1")
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
    )
    body = said(entry.body)
    assert body["decision"] == said(intended.body)["decision"]
    assert body["received_at"] == said(intended.body)["received_at"]
    assert "arguments" not in body


def test_answers_to_a_task_never_reach_the_record() -> None:
    answers = {"k": {"action": "accept", "content": {"p": "hunter2"}}}
    entry = an_intent(
        method="tasks/update",
        tool=method_tool("shop", "tasks/update"),
        arguments={"taskId": "t", "inputResponses": answers},
    )

    assert b"hunter2" not in entry.body
    assert b'"inputResponses":{"k":"***"}' in entry.body


@pytest.mark.parametrize(
    ("read", "is_hidden"),
    [
        ("context.input.card", True),
        ("context.input.card.number", True),
        ("context.derived.card.number.length", True),
        ("context.input", True),  # read whole
        ("context.input.list.3.secret", True),
        ("context.input.list.3.open", False),
        ("context.input.other", False),
        ("context.enriched.card", False),
        ("principal.tenant", False),
    ],
)
def test_what_policy_read_of_a_masked_argument_is_masked(read: str, is_hidden: bool) -> None:
    assert Masks.parse(("card.number", "list.*.secret")).hide(read) is is_hidden


def test_errors_keep_no_values_where_anything_is_masked() -> None:
    error = 'error while evaluating policy `p1`: overflow of 5 and "x y" in context.input.n'

    assert Masks().plain(error) == error
    assert Masks.parse(("n",)).plain(error) == (
        f"error while evaluating policy `p1`: overflow of {MASKED} and {MASKED} in context.input.n"
    )
