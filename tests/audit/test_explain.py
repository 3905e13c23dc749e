from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.explain import Explanation, Further, explain, printable, total_seconds, whole
from callgate.audit.masks import MASKED
from callgate.audit.record import Entry, content_of, interrupted
from callgate.model import Change, FollowUp, Ran, Reply, Verdict
from callgate.protocol.methods import method_tool
from fakes.calls import a_principal
from fakes.store import NOW, an_intent, an_outcome


def recorded(*entries: Entry) -> list[dict[str, Any]]:
    return [
        {
            **content_of(entry),
            "record": {"log": 1, "seq": seq, "hash": f"{seq:064x}"},
        }
        for seq, entry in enumerate(entries, 41)
    ]


def lines(explanation: Explanation, title: str) -> list[str]:
    (section,) = (section for section in explanation.sections if section.title == title)
    return list(section.lines)


def refused(code: str = "not_permitted", **more: Any) -> Explanation:
    settings: dict[str, Any] = {"ran": Ran.NO, "reply": None, **more}
    return explain(recorded(an_outcome(code=code, **settings)))


def test_call_that_was_let_through_is_told_from_who_to_where_it_is_recorded() -> None:
    told = explain(recorded(an_intent("c1"), an_outcome("c1", reply=Reply(body=b"{}"))))
    definition = lines(told, "What")[1].rsplit(" ", 1)[1]
    assert (
        str(told)
        == f"""\
Call c1
Let through.

Who
  The principal is ada, known by a token of https://idp.
  The agent that acted for it is helper.
  The groups are ops.

What
  The tool is shop___refund: refund of the target shop.
  Its definition had the SHA-256 {definition}
  The arguments were {{"customer": "c1", "amount": 5}}.
  As authorized, and unmasked, their SHA-256 is {"5" * 64}.

When
  The call came in at 2026-09-21T14:13:20.000000Z.
  Its outcome was recorded at 2026-09-21T14:13:20.500000Z.
  It took 12.5 ms: identify 1 ms, forward 11.5 ms.

Policy
  Policy permits the call: policy p1.

Interceptors
  None did anything.

Outcome
  The tool ran.
  The result was delivered.
  The result had 2 bytes; its SHA-256 is \
44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.
  It was {{}}

Record
  The intent is record 41 of log 1, hash {41:064x}.
  The outcome is record 42 of log 1, hash {42:064x}."""
    )


def test_refusal_without_any_matching_policy_says_that_none_permits() -> None:
    told = refused(verdict=Verdict(is_permitted=False, reason="no policy permits this call"))
    assert told.headline == "Refused (not_permitted)."
    assert lines(told, "Policy") == [
        "No policy permits the call; what no policy permits is refused."
    ]
    assert "The tool did not run." in lines(told, "Outcome")
    assert "No result was delivered." in lines(told, "Outcome")


def test_refusal_by_policies_names_them() -> None:
    verdict = Verdict(is_permitted=False, policies=("f1", "f2"), version="abc")
    assert lines(refused(verdict=verdict), "Policy") == [
        "Policy refuses the call: it is forbidden by policies f1, f2.",
        "The policy set had the version abc.",
    ]


def test_refusal_by_an_error_says_which() -> None:
    verdict = Verdict(is_permitted=False, policies=("p1",), errors=("in f1: no attribute `x`",))
    assert lines(refused("policy_error", verdict=verdict), "Policy") == [
        "Policy refuses the call, because it could not be evaluated without error.",
        "The error: in f1: no attribute `x`.",
        "The determining policies were policy p1.",
    ]


def test_refusal_for_another_reason_of_the_engine_says_it() -> None:
    verdict = Verdict(is_permitted=False, reason="policy cannot see the arguments exactly: 1e400")
    assert lines(refused(verdict=verdict), "Policy") == [
        "Policy refuses the call: policy cannot see the arguments exactly: 1e400."
    ]


def test_refusal_before_policy_says_that_policy_was_not_asked() -> None:
    told = refused("invalid_arguments", verdict=None)
    assert lines(told, "Policy") == ["Policy was not asked: the call ended before that."]
    assert lines(told, "Outcome")[0] == (
        "The code is invalid_arguments. The arguments do not fit the tool's input schema."
    )
    assert lines(told, "Outcome")[1] == "The reason given: It is not to be."


def test_withheld_result_says_that_the_tool_ran_all_the_same() -> None:
    told = explain(recorded(an_intent(), an_outcome(code="result_withheld", reply=None)))
    assert told.headline == "Withheld (result_withheld): the tool ran, its result was kept back."
    assert lines(told, "Outcome")[-2:] == ["The tool ran.", "No result was delivered."]


def test_unknown_ending_is_told_as_unknown() -> None:
    told = explain(recorded(an_intent(), an_outcome(code="target_timeout", ran=Ran.UNKNOWN)))
    assert "Whether the tool ran is not known: it may have." in lines(told, "Outcome")


def test_call_in_flight_is_told_as_such() -> None:
    told = explain(recorded(an_intent()))
    assert told.headline == "In flight: its outcome is not recorded yet."
    assert "is not known yet" in lines(told, "Outcome")[0]


def test_interrupted_call_still_shows_its_arguments() -> None:
    intended = an_intent()
    told = explain(recorded(intended, interrupted(intended.body, NOW + 60)))
    assert told.headline == "Interrupted: the gateway ended in the middle."
    assert 'The arguments were {"customer": "c1", "amount": 5}.' in lines(told, "What")


def test_caller_that_hung_up_is_why_nothing_was_delivered() -> None:
    entries = recorded(an_intent(), an_outcome())
    entries[1]["delivered"] = False
    assert "The result was not delivered: the caller had hung up." in lines(
        explain(entries), "Outcome"
    )


def test_interceptors_are_told_with_what_they_touched() -> None:
    changes = (
        Change(
            interceptor="redact",
            phase="request",
            action="changed",
            paths=("/note", "/customer"),
            note="2 cards",
            duration_seconds=0.0002,
        ),
        Change(interceptor="scan", phase="result", action="withheld", duration_seconds=0.001),
        Change(interceptor="scan", phase="message", action="labelled", labels=("pii",)),
        Change(interceptor="new", phase="request", action="refused", mode="observe", note="no"),
    )
    told = explain(recorded(an_outcome(changes=changes)))
    assert lines(told, "Interceptors") == [
        "redact, on the request, changed /note, /customer (0.2 ms): 2 cards.",
        "scan, on the result, kept the result back (1 ms).",
        "scan, on the message, labelled the call pii (0 ms).",
        "new, on the request, only observing, would have refused the call (0 ms): no.",
    ]


def test_masked_arguments_are_said_to_be_masked() -> None:
    told = explain(recorded(an_intent(arguments={"card": MASKED})))
    assert '"***" stands for what is masked' in lines(told, "What")[2]


def test_tool_that_was_not_found_is_told_by_the_name_that_was_asked_for() -> None:
    told = refused("unknown_tool", tool=None, requested_name="shop___steal")
    assert lines(told, "What")[0] == (
        "The tool was asked for as shop___steal; no such tool was found."
    )


def test_other_methods_say_what_they_were_for() -> None:
    read = refused(
        method="resources/read",
        requested_name="shop+demo://a",
        tool=method_tool("shop", "resources/read"),
        arguments={"uri": "demo://a"},
    )

    assert lines(read, "What")[0] == (
        "The method is resources/read at the target shop, for shop+demo://a."
    )
    assert "No target was asked." in lines(read, "Outcome")


def test_questions_of_targets_say_who_asked_for_what_and_when() -> None:
    asked = refused(
        method="elicitation/create",
        requested_name="elicitation/create",
        tool=method_tool("shop", "elicitation/create"),
        asked_in="c7",
    )

    assert lines(asked, "What")[0] == (
        "The target shop asked the client for elicitation/create during call c7."
    )
    assert "The client was not asked." in lines(asked, "Outcome")


def test_answers_of_clients_are_told_of_and_not_told() -> None:
    secret = {"password": {"action": "accept", "content": {"p": "hunter2"}}}

    told = refused(follow_up=FollowUp(responses=secret))

    assert "(password); they are not kept" in "\n".join(lines(told, "What"))
    assert "hunter2" not in str(told)


def test_what_callers_wrote_cannot_fool_the_terminal() -> None:
    principal = a_principal("ada\x1b[2K\rroot", agent="a\u202eb")
    told = explain(recorded(an_outcome(principal=principal, arguments={"n": "\x9b1m\u2066"})))
    assert "\\x1b[2K\\rroot" in str(told)
    assert "a\\u202eb" in str(told)
    assert str(told).replace("\n", "").isprintable()


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    said = printable(text)
    assert said.isprintable()
    assert said == text or not text.isprintable()


@pytest.mark.parametrize("text", ["\ud800", "\U000e0001", "\x7f", "\u2028"])
def test_anything_unprintable_is_written_out(text: str) -> None:
    assert printable(text).startswith("\\")


def test_call_as_one_object_has_its_arguments_and_its_end() -> None:
    call = whole(recorded(an_intent("c1"), an_outcome("c1")))
    assert call["arguments"] == {"customer": "c1", "amount": 5}
    assert call["code"] == "ok"
    assert [place["seq"] for place in call["records"]] == [41, 42]
    assert not {"kind", "record"} & call.keys()
    assert total_seconds(call) == pytest.approx(0.0125)
    assert total_seconds(whole(recorded(an_intent()))) is None


def test_tool_that_failed_by_its_own_account_is_told_as_failed() -> None:
    failed = Reply(body=b'{"content":[],"isError":true}')

    told = explain(recorded(an_intent("c1"), an_outcome("c1", reply=failed)))

    assert "The target says that the tool failed." in lines(told, "Outcome")


def test_a_call_that_was_erased_is_told_as_far_as_it_is_left() -> None:
    place = {"log": 1, "seq": 5, "hash": "f" * 64}
    left = {"kind": "outcome", "call": "c1", "at": "2026-09-21T14:13:20.500000Z", "erased": True}
    told = explain([{**left, "target": "shop", "tool": "refund", "code": "ok", "record": place}])

    assert lines(told, "Who") == ["Who called was erased."]
    assert lines(told, "What")[0] == "The tool is shop___refund: refund of the target shop."
    assert lines(told, "Policy") == ["What policy said was erased."]
    assert lines(told, "Outcome") == ["How it came out further was erased."]
    assert "its digests remain" in lines(told, "Record")[1]
    assert "What was called was erased." in lines(explain([{**left, "record": place}]), "What")


def test_a_payload_that_is_lost_is_not_called_erased() -> None:
    (entry,) = recorded(an_intent("c1"))
    told = explain([{**entry, "payload_lost": {"why": "the bucket is too slow"}}])

    assert lines(told, "Record")[1:] == [
        "What the intent said in full is lost: the bucket is too slow."
    ]


def test_a_call_that_ended_after_all_is_told_as_it_did_end() -> None:
    (intent,) = recorded(an_intent("c1"))
    end = {"kind": "outcome", "code": "interrupted", "ran": "unknown", "delivered": False}
    said = {"call": "ended:c1", "code": "ok", "ran": "yes", "delivered": True}
    entries = [intent, {**intent, **end}]

    told = lines(explain(entries, Further(after_all=said)), "Outcome")
    assert told[-3].endswith("how the call did end (event ended:c1): ok.")
    assert told[-2:] == ["The tool ran.", "The result was delivered."]

    gone = {"call": "ended:c1", "code": "call_ended_after_all", "erased": True}
    told = lines(explain(entries, Further(after_all=gone)), "Outcome")
    assert told[-1].endswith("(event ended:c1): what that says was erased.")


def test_what_others_found_out_has_sections_of_its_own() -> None:
    account = {"policies": [], "near": [{"policy": "p1", "change": "x < 5"}]}
    verdict = Verdict(is_permitted=False, reason="no policy permits this call")
    entries = recorded(an_outcome(code="not_permitted", verdict=verdict, account=account))
    alone = explain(entries)
    told = explain(entries, Further(turning=("It would be permitted if …",), sources=("/a is …",)))

    assert "It would be permitted if x < 5 (p1)." in lines(alone, "Policy")
    assert not any("x < 5" in line for line in lines(told, "Policy"))
    assert lines(told, "What would change it") == ["It would be permitted if …"]
    assert lines(told, "What came from earlier calls") == ["/a is …"]
