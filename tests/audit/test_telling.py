"""What a call leaves behind."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from callgate.audit.keeping import Keeping
from callgate.audit.masks import MASKED, Masks
from callgate.audit.record import content_of, indexed, rfc3339
from callgate.audit.telling import Ended, Intended, intent, outcome
from callgate.model import Call, Change, Client, FollowUp, Outcome, Ran, Reply, Verdict
from callgate.protocol.methods import method_tool
from fakes.calls import a_call, a_principal
from fakes.store import NOW, an_ending_call, an_intent, an_outcome

NONE = Keeping()
SECRET = b'{"content":[{"type":"text","text":"hunter2"}]}'


def said(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body)  # type: ignore[no-any-return]


def ended(call: Call, code: str | None = None, last: str = "intercept_response") -> Outcome:
    return Outcome(call=call, timings={last: 0.1}, refusal_code=code, is_delivered=code is None)


def test_intent_says_who_calls_what_and_why_it_may() -> None:
    told = content_of(an_intent("c1", run="r1", decided_at=NOW + 0.25))

    assert told["format"] == 2
    assert told["principal"]["id"] == "ada"
    assert (told["target"], told["tool"], told["name"]) == ("shop", "refund", "shop___refund")
    assert told["arguments"] == {"customer": "c1", "amount": 5}
    assert told["arguments_sha256"] == "5" * 64
    assert told["decision"]["policies"] == ["p1"]
    assert (told["received_at"], told["decided_at"]) == (rfc3339(NOW), rfc3339(NOW + 0.25))
    assert told["run"] == "r1"


@pytest.mark.parametrize("body", [b'"x"', b'{"content":[]}', b"7" * 3000, '"\u00e9"'.encode()])
def test_how_large_a_payload_can_be_is_known_before_it_is_told(body: bytes) -> None:
    call = an_ending_call("c1", arguments={"customer": "c" * len(body)}, reply=Reply(body=body))
    for one in (
        Intended(call=call, at=NOW, keeping=NONE),
        Ended(outcome=ended(call), at=NOW, keeping=NONE),
    ):
        entry = one.told()
        assert entry.payload is not None and one.most_bytes is not None
        assert len(entry.payload) <= one.most_bytes < len(entry.payload) + 40
        assert entry.most_bytes == len(entry.payload)
        assert (one.kind, one.call_id, one.ran) == (entry.kind, entry.call_id, entry.ran)


def test_how_large_it_can_be_is_not_known_where_it_is_not_kept_as_it_came() -> None:
    masked = (
        Keeping(masks=Masks.parse(("customer",))),
        Keeping(result_masks=Masks.parse(("content",))),
    )
    whole = an_ending_call("c1")
    for keeping in masked:
        assert Intended(call=whole, at=NOW, keeping=keeping).most_bytes is None
        assert Ended(outcome=ended(whole), at=NOW, keeping=keeping).most_bytes is None
    for change in (
        {"enriched": {"a": {}, "b": {"x": 1}}},
        {"sealed": None},
        {"method": "tasks/update"},
    ):
        call = an_ending_call("c1", **change)
        assert Intended(call=call, at=NOW, keeping=NONE).most_bytes is None
    for reply in (None, Reply(body=b"[\n]"), Reply(body=b"\xff")):
        over = ended(an_ending_call("c1", reply=reply))
        assert Ended(outcome=over, at=NOW, keeping=NONE).most_bytes is None
    refused = ended(whole, "not_permitted", "authorize")
    assert Ended(outcome=refused, at=NOW, keeping=NONE).most_bytes is None


def test_intent_says_nothing_of_an_outcome() -> None:
    entry = an_intent()
    assert (entry.code, entry.ran, entry.is_delivered) == (None, None, None)
    assert not {"code", "ran", "delivered"} & said(entry.body).keys()


def test_outcome_says_what_ran_what_was_delivered_and_beside_it_the_result() -> None:
    entry = an_outcome(reply=Reply(body=SECRET))
    body = said(entry.body)

    assert (body["code"], body["ran"], body["delivered"]) == ("ok", "yes", True)
    assert body["result"] == {
        "sha256": hashlib.sha256(SECRET).hexdigest(),
        "bytes": len(SECRET),
        "error": False,
        "failed": False,
    }
    assert b"hunter2" not in entry.body
    assert entry.payload == b'{"content":' + SECRET + b"}"
    assert body["seconds"] == {"identify": 0.001, "forward": 0.0115}


@pytest.mark.parametrize("last", ["forward", "intercept_response"])
def test_of_a_result_that_was_withheld_there_is_only_the_digest(last: str) -> None:
    call = an_ending_call("c1", reply=Reply(body=SECRET))
    entry = outcome(ended(call, "result_withheld", last), NOW, NONE)

    assert entry.payload is None
    assert b"hunter2" not in entry.body
    assert said(entry.body)["result"]["sha256"] == hashlib.sha256(SECRET).hexdigest()


def test_a_result_that_nobody_took_any_more_is_kept() -> None:
    gone = Outcome(
        call=an_ending_call("c1", reply=Reply(body=SECRET)),
        timings={"intercept_response": 0.1},
    )

    assert "content" in content_of(outcome(gone, NOW, NONE))


def test_of_results_that_are_not_to_be_kept_there_is_only_the_digest() -> None:
    over = ended(an_ending_call("c1", reply=Reply(body=SECRET)))
    entry = outcome(over, NOW, Keeping(has_results=False))

    assert entry.payload is None
    assert said(entry.body)["result"]["bytes"] == len(SECRET)


def test_the_digest_of_a_masked_result_is_that_of_the_whole() -> None:
    body = b'{"content":[],"structuredContent":{"pin":1234}}'
    over = ended(an_ending_call("c1", reply=Reply(body=body)))
    entry = outcome(over, NOW, Keeping(result_masks=Masks.parse(("pin", "absent"))))
    told = content_of(entry)

    assert told["content"]["structuredContent"] == {"pin": MASKED}
    assert told["masked_results"] == ["pin"]
    assert told["result"]["sha256"] == hashlib.sha256(body).hexdigest()


def test_arguments_are_recorded_once_where_there_is_an_intent_and_in_every_refusal() -> None:
    assert "arguments" in content_of(an_intent())
    assert "arguments" not in content_of(an_outcome())
    refused = an_outcome(code="not_permitted")
    assert content_of(refused)["arguments"] == {"customer": "c1", "amount": 5}


@pytest.mark.parametrize("stage", ["resolve", "admit", "intercept_request", "record_intent"])
def test_a_call_that_ended_before_its_intent_has_its_arguments_in_the_outcome(stage: str) -> None:
    call = an_ending_call("c1", reply=None, ran=Ran.NO, enriched={"geo": {"country": "de"}})
    told = content_of(outcome(ended(call, "cancelled", stage), NOW, NONE))

    assert told["arguments"] == {"customer": "c1", "amount": 5}
    assert told["enriched"] == {"geo": {"country": "de"}}


def test_answer_of_an_interceptor_is_recorded_with_the_arguments() -> None:
    told = content_of(an_outcome(is_answered=True, ran=Ran.NO))
    assert told["arguments"] == {"customer": "c1", "amount": 5}
    assert told["content"] == {"content": []}


def test_facts_for_policy_stand_beside_the_arguments() -> None:
    entry = an_intent(enriched={"geo": {"country": "de"}})

    assert b"country" not in entry.body
    assert content_of(entry)["enriched"] == {"geo": {"country": "de"}}


def test_masked_arguments_are_named_so_that_nobody_takes_the_mask_for_a_value() -> None:
    call = an_ending_call("c1")
    keeping = Keeping(masks=Masks.parse(("customer", "card")))
    for entry in (
        intent(call, NOW, keeping),
        outcome(ended(call, "not_permitted", "authorize"), NOW, keeping),
    ):
        told = content_of(entry)
        assert told["arguments"] == {"customer": MASKED, "amount": 5}
        assert told["masked"] == ["customer"]
        assert b"c1" not in (entry.payload or b"")


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


@pytest.mark.parametrize(
    ("phase", "path", "is_hidden"),
    [
        ("request", "/card/number", True),
        ("request", "/card", True),
        ("request", "/a~1b", True),
        ("request", "", True),
        ("request", "/note", False),
        ("result", "/structuredContent/pin", True),
        ("result", "/structuredContent/other", False),
        ("result", "/content/0/text", True),  # of which text of JSON it is a piece, nobody knows
    ],
)
def test_what_interceptors_wrote_at_masked_places_is_masked(
    phase: str, path: str, is_hidden: bool
) -> None:
    operation = {"op": "replace", "path": path, "value": "v"}
    change = Change(interceptor="i", phase=phase, action="changed", patch=(operation,))
    keeping = Keeping(masks=Masks.parse(("card.number", "a/b")), result_masks=Masks.parse(("pin",)))
    entry = intent(an_ending_call("c1", changes=(change,)), NOW, keeping)

    (told,) = said(entry.body)["changes"][0]["patch"]
    assert told["value"] == (MASKED if is_hidden else "v")
    assert b'"value":"v"' in intent(an_ending_call("c1", changes=(change,)), NOW, NONE).body


def test_values_that_policy_read_are_masked_and_of_large_ones_there_is_the_beginning() -> None:
    clause = {
        "kind": "when",
        "text": "true",
        "line": 1,
        "holds": True,
        "error": "",
        "values": {"context.input.card.number": "4111", "context.input.note": "n" * 100_000},
    }
    account = {"policies": [{"id": "p1", "clauses": [clause]}], "near": []}
    call = an_ending_call("c1", account=account)
    keeping = Keeping(masks=Masks.parse(("card.number",)))

    entry = outcome(ended(call, "not_permitted", "authorize"), NOW, keeping)

    (told,) = said(entry.body)["decision"]["account"]["policies"][0]["clauses"]
    assert told["values"]["context.input.card.number"] == MASKED
    assert len(told["values"]["context.input.note"]) < 300
    assert account["policies"][0]["clauses"] == [clause]


def test_call_of_which_little_is_known_is_recorded_all_the_same() -> None:
    call = a_call(id="c9", requested_name="what", route="shop")
    over = Outcome(call=call, refusal_code="unknown_tool", reason="There is none.")
    entry = outcome(over, NOW, NONE)
    assert (entry.principal, entry.target, entry.tool) == (None, "shop", None)
    assert indexed(entry.body, entry.payload) == entry


def test_answers_to_a_task_never_reach_the_record() -> None:
    answers = {"k": {"action": "accept", "content": {"p": "hunter2"}}}
    entry = an_intent(
        method="tasks/update",
        tool=method_tool("shop", "tasks/update"),
        arguments={"taskId": "t", "inputResponses": answers},
    )

    assert b"hunter2" not in entry.body + (entry.payload or b"")
    assert content_of(entry)["arguments"] == {"taskId": "t", "inputResponses": {"k": "***"}}


def test_answers_of_people_are_told_by_their_digest() -> None:
    follow_up = FollowUp(responses={"b": {"x": "hunter2"}, "a": 1})
    entry = an_intent(follow_up=follow_up)

    assert b"hunter2" not in entry.body + (entry.payload or b"")
    assert said(entry.body)["input"]["keys"] == ["a", "b"]


def test_headers_are_told_by_name_only_and_proofs_not_at_all() -> None:
    entry = an_intent(
        headers={"cookie": "hunter2"},
        onward={"x-key": "hunter2", "a": "hunter2"},
        meta={"traceparent": "00-1-2-3", "vendor/token": "hunter2"},
    )

    assert b"hunter2" not in entry.body + (entry.payload or b"")
    assert said(entry.body)["sent_headers"] == ["a", "x-key"]


def test_the_body_stays_small_whatever_a_peer_says_of_itself() -> None:
    long = "x" * 1_000_000
    call = an_ending_call(
        "c1",
        requested_name=long,
        client=Client(info={"name": long, "icons": [long], "version": "1"}),
        meta={"traceparent": long},
        arguments={"note": long},
        changes=(Change(interceptor="i", phase="request", action="noted", note=long),),
    )
    over = Outcome(call=call, refusal_code="x", reason=long, detail=long)
    for entry in (intent(call, NOW, NONE), outcome(over, NOW, NONE)):
        assert len(entry.body) < 20_000
        assert indexed(entry.body, entry.payload) == entry
        assert content_of(entry)["arguments"] == {"note": long}


def test_a_shadow_and_an_observing_gateway_are_told() -> None:
    verdict = Verdict(is_permitted=False, is_enforced=False, errors=("boom",), version="v1")

    decision = said(an_intent(verdict=verdict).body)["decision"]

    assert (decision["enforced"], decision["errors"], decision["version"]) == (
        False,
        ["boom"],
        "v1",
    )


def test_the_description_of_a_principal_is_referred_to() -> None:
    entry = an_intent(principal=a_principal("ada", claims={"email": "a@b", "jti": "t1"}))
    told = said(entry.body)["principal"]

    assert len(told["claims_sha256"]) == 64
    assert told["token"] == {"jti": "t1"}
    assert b"a@b" not in entry.body


def test_what_was_masked_is_not_repeated_in_reasons_notes_names_and_results() -> None:
    secret = 'p4ss "wörd"'
    call = an_ending_call(
        "c1",
        method="resources/read",
        tool=method_tool("shop", "resources/read"),
        requested_name=f"db://x?key={secret}",
        arguments={"uri": "a", "key": secret, "pin": 4_111_111_111},
        given={"key": "older-secret"},
        changes=(Change(interceptor="i", phase="request", action="noted", note=f"saw {secret}"),),
        reply=Reply(
            body=msgspec.json.encode(
                {"text": f"made {secret}", "n": 4_111_111_111, "in": [f'{{"k":"{secret[:4]}"}}']}
            ),
        ),
    )
    over = Outcome(
        call=call,
        timings={"forward": 0.1},
        reason=f"bad: {secret}",
        detail="was older-secret",
    )
    keeping = Keeping(masks=Masks.parse(("key", "pin")))
    for entry in (intent(call, NOW, keeping), outcome(over, NOW, keeping)):
        for word in ("wörd", "older-secret", "4111111111"):
            assert word.encode() not in entry.body + (entry.payload or b"")
        assert indexed(entry.body, entry.payload) == entry
    told = content_of(outcome(over, NOW, keeping))
    assert told["content"] == {"text": "made ***", "n": MASKED, "in": ['{"k":"p4ss"}']}
    assert (told["reason"], told["detail"], told["masked_repeats"]) == ("bad: ***", "was ***", True)
    assert told["name"] == "db://x?key=***"
    assert told["changes"][0]["note"] == "saw ***"


def test_arguments_and_facts_that_repeat_a_masked_one_are_masked_and_named_as_well() -> None:
    call = an_ending_call(
        "c1",
        arguments={"key": "hunter2!!", "note": "my key is hunter2!!", "list": [{"a": "hunter2!!"}]},
        enriched={"geo": {"key": "hunter2!!", "n": 1}},
    )
    entry = intent(call, NOW, Keeping(masks=Masks.parse(("key",))))
    told = content_of(entry)

    assert told["arguments"] == {"key": MASKED, "note": "my key is ***", "list": [{"a": MASKED}]}
    assert told["masked"] == ["key", "note", "list.0.a"]
    assert told["enriched"] == {"geo": {"key": MASKED, "n": 1}}
    assert told["masked_enriched"] == ["geo.key"]
    assert b"hunter2" not in entry.body + (entry.payload or b"")
