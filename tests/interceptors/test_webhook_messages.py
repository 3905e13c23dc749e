"""Version 1 of what webhooks are sent, and of what they may answer."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.webhook_messages import AnswerError, decision_of, event_of, message_of
from callgate.model import Principal, Verdict
from callgate.scrutiny import Decision, View
from fakes.calls import a_tool
from fakes.intercepting import a_list, a_message, a_request, a_result

NOTHING: frozenset[str] = frozenset()
TOOL = {
    "target": "shop",
    "name": "refund",
    "qualified_name": "shop___refund",
    "method": "tools/call",
    "digest": a_tool().digest,
    "definition": a_tool().definition,
}
PRINCIPAL: dict[str, Any] = {
    "id": "ada",
    "issuer": "https://idp",
    "kind": "jwt",
    "groups": [],
    "tenant": None,
    "agent": None,
    "claims": {},
}
CALL = {
    "call_id": "c1",
    "run": "",
    "principal": PRINCIPAL,
    "tool": TOOL,
    "headers": {},
    "meta": {},
    "labels": [],
}


def test_a_request_is_told_whole() -> None:
    verdict = Verdict(is_permitted=True, policies=("p",), reason="r", version="v")
    request = a_request(
        run="r1",
        headers={"x-tenant": "a"},
        meta={"k": 1},
        labels=("pii",),
        enriched={"orders": {"days": 3}},
        verdict=verdict,
    )

    event = event_of(request, omit=NOTHING)

    assert event == {
        **CALL,
        "type": "request",
        "run": "r1",
        "headers": {"x-tenant": "a"},
        "meta": {"k": 1},
        "labels": ["pii"],
        "arguments": {"customer": "c", "amount": 5},
        "enriched": {"orders": {"days": 3}},
        "verdict": {"is_permitted": True, "policies": ["p"], "reason": "r", "version": "v"},
    }


@pytest.mark.parametrize(
    ("view", "more"),
    [
        (
            a_result({"content": []}, is_error=True),
            {
                "type": "result",
                "arguments": {"customer": "c", "amount": 5},
                "result": {"content": []},
                "is_error": True,
                "verdict": None,
            },
        ),
        (
            a_message(params={"progress": 1}),
            {"type": "message", "method": "notifications/progress", "params": {"progress": 1}},
        ),
    ],
)
def test_results_and_messages_are_told_whole(view: View, more: dict[str, Any]) -> None:
    assert event_of(view, omit=NOTHING) == {**CALL, **more}


def test_a_list_is_told_with_the_target_of_each_item() -> None:
    event = event_of(a_list({"name": "shop___refund"}), omit=frozenset({"definition"}))

    assert (event["type"], event["items"]) == ("list", [{"name": "shop___refund"}])
    assert event["targets"] == ["shop"]
    assert event["tool"]["method"] == "tools/list"


def test_what_is_omitted_is_not_there() -> None:
    principal = Principal(id="ada", issuer="i", kind="jwt", claims={"email": "x"})
    request = a_request()
    request = type(request)(
        call_id="c1", principal=principal, tool=request.tool, arguments=request.arguments
    )

    event = event_of(request, omit=frozenset({"claims", "definition"}))

    assert "claims" not in event["principal"] and "definition" not in event["tool"]


def test_a_message_says_its_version_when_and_which() -> None:
    message = message_of({"type": "request"}, "msg_1", "desk", 1_790_000_000.5)

    assert message == {
        "version": "1",
        "id": "msg_1",
        "timestamp": "2026-09-21T14:13:20.500Z",
        "interceptor": "desk",
        "type": "request",
    }


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("request", {"refuse": "no"}),
        ("request", {"arguments": {"a": 1}, "headers": {"x": "y"}, "note": "n", "labels": ["l"]}),
        ("request", {"answer": {"content": []}}),
        ("request", {"enrich": {"days": 3}, "approve": "ask"}),
        ("result", {"result": {"content": []}, "labels": ["l"]}),
        ("result", {"withhold": "no"}),
        ("message", {"params": {"progress": 2}}),
        ("message", {"withhold": "no"}),
        ("list", {"items": [{"name": "a"}]}),
        ("list", {"refuse": "no"}),
    ],
)
def test_a_decision_is_what_it_says(kind: str, said: dict[str, Any]) -> None:
    answer = {"version": "1", "id": "msg_1", "decision": said}
    expected = {**said, **({"labels": tuple(said["labels"])} if "labels" in said else {})}

    assert decision_of(answer, kind, "msg_1") == Decision(**expected)


@pytest.mark.parametrize("answer", [{"version": "1"}, {"version": "1", "decision": None}])
def test_an_answer_without_a_decision_lets_the_call_go_on(answer: Any) -> None:
    assert decision_of(answer, "request", "msg_1") is None


@pytest.mark.parametrize(
    ("kind", "answer", "words"),
    [
        ("request", [], "not an object"),
        ("request", None, "not an object"),
        ("request", {}, "`version` is None"),
        ("request", {"version": 1}, "`version` is 1"),
        ("request", {"version": "2", "decision": {}}, "`version` is '2'"),
        ("request", {"version": "1", "id": "msg_2"}, "another message"),
        ("request", {"version": "1", "id": None}, "another message"),
        ("request", {"version": "1", "allow": True}, "'allow' that means nothing"),
        ("request", {"version": "1", "decision": []}, "not an object"),
        ("request", {"version": "1", "decision": {"deny": "x"}}, "'deny'"),
        ("request", {"version": "1", "decision": {"tool": "x"}}, "'tool'"),
        ("request", {"version": "1", "decision": {"principal": "x"}}, "'principal'"),
        ("request", {"version": "1", "decision": {"result": {}}}, "'result'"),
        ("result", {"version": "1", "decision": {"arguments": {}}}, "'arguments'"),
        ("message", {"version": "1", "decision": {"items": []}}, "'items'"),
        ("list", {"version": "1", "decision": {"answer": {}}}, "'answer'"),
        ("request", {"version": "1", "decision": {"refuse": 5}}, "does not fit"),
        ("request", {"version": "1", "decision": {"refuse": ""}}, "`refuse` is empty"),
        ("result", {"version": "1", "decision": {"withhold": ""}}, "`withhold` is empty"),
        ("request", {"version": "1", "decision": {"labels": "pii"}}, "does not fit"),
        ("request", {"version": "1", "decision": {"headers": {"x": 1}}}, "does not fit"),
        ("list", {"version": "1", "decision": {"items": ["x"]}}, "does not fit"),
    ],
)
def test_what_an_answer_may_not_say_is_a_failure(kind: str, answer: Any, words: str) -> None:
    with pytest.raises(AnswerError, match=words):
        decision_of(answer, kind, "msg_1")


WORDS = st.sampled_from(
    [
        "refuse",
        "arguments",
        "answer",
        "enrich",
        "approve",
        "headers",
        "result",
        "params",
        "items",
        "withhold",
        "labels",
        "note",
        "x",
    ]
)
LEAVES = st.sampled_from([None, True, 0, 1.5, "", "no"])
JUNK = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
)


@pytest.mark.parametrize("kind", ["request", "result", "message", "list"])
@given(decision=JUNK)
def test_whatever_is_answered_is_a_decision_that_fits_or_a_failure(
    kind: str, decision: Any
) -> None:
    try:
        found = decision_of({"version": "1", "decision": decision}, kind, "msg_1")
    except AnswerError:
        return
    if found is not None:
        assert msgspec.convert(msgspec.to_builtins(found), Decision) == found
        for sentence in (found.refuse, found.withhold, found.approve):
            assert sentence is None or sentence
