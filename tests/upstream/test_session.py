"""What a target says meanwhile reaches its own caller only, and lists end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from callgate.model import NOTHING, Json, Offer, Refused, Reply
from callgate.ports import Listing, TargetError, Unanswerable
from callgate.protocol.jsonrpc import INTERNAL_ERROR, METHOD_NOT_FOUND, REFUSED
from callgate.protocol.outbound import Message, WireError, read_message
from callgate.upstream import session
from callgate.upstream.faults import Faults
from callgate.upstream.session import Changes, Notes, Standing, answered, list_pages
from fakes.http_calls import ANSWER, a_request, an_offer
from fakes.target import FakeCaller


def told(message: dict[str, Any], token: int | None) -> list[Any]:
    caller = FakeCaller()
    notes = Notes(a_request(progress_token="mine"), caller, token)
    asyncio.run(notes.pass_on(read_message(json.dumps(message).encode())))
    return caller.told


PROGRESS = {"method": "notifications/progress", "params": {"progressToken": 7, "progress": 1}}


def test_progress_comes_back_under_the_callers_token() -> None:
    assert told(PROGRESS, 7) == [
        ("notifications/progress", {"progressToken": "mine", "progress": 1})
    ]


@pytest.mark.parametrize("token", [None, 8])
def test_progress_nobody_asked_for_or_of_another_call_is_dropped(token: int | None) -> None:
    assert told(PROGRESS, token) == []
    assert told({**PROGRESS, "params": [7]}, token) == []


def test_log_messages_pass_and_everything_else_does_not() -> None:
    log = {"method": "notifications/message", "params": {"data": 1}}
    assert told(log, None) == [("notifications/message", {"data": 1})]
    assert told({"method": "notifications/resources/updated"}, None) == []


def test_changes_are_told_to_all_until_they_forget() -> None:
    changes = Changes()
    heard: list[str] = []
    forgets = [
        changes.listen(lambda what, name=name: heard.append(f"{name} {what}"))  # type: ignore[misc]
        for name in "ab"
    ]
    assert changes.has_listeners
    changes.announce("tools")
    forgets[0]()
    forgets[0]()
    changes.announce("prompts")
    assert heard == ["a tools", "b tools", "b prompts"]
    forgets[1]()
    assert not changes.has_listeners


ELICIT = "elicitation/create"


@pytest.mark.parametrize(
    ("method", "offer", "answer", "expected"),
    [
        (ELICIT, an_offer("elicitation"), ANSWER, {"result": json.loads(ANSWER.body)}),
        ("roots/list", an_offer("roots"), Reply(body=b'{"roots":[]}'), {"result": {"roots": []}}),
        (
            "sampling/createMessage",
            an_offer("sampling"),
            Reply(body=b'{"code":-1,"message":"m"}', is_error=True),
            {"error": {"code": -1, "message": "m"}},
        ),
        (ELICIT, an_offer("elicitation"), Refused("x", "No."), {"code": REFUSED}),
        (ELICIT, an_offer("elicitation"), Unanswerable("Late."), {"code": INTERNAL_ERROR}),
        (ELICIT, an_offer("sampling"), ANSWER, {"code": METHOD_NOT_FOUND}),
        (ELICIT, NOTHING, ANSWER, {"code": METHOD_NOT_FOUND}),
        ("tools/call", an_offer("tools"), ANSWER, {"code": METHOD_NOT_FOUND}),
        ("unheard/of", NOTHING, ANSWER, {"code": METHOD_NOT_FOUND}),
    ],
)
@pytest.mark.parametrize("request_id", ["q", 7])
def test_what_was_offered_is_asked_and_the_answer_is_for_this_request(
    request_id: int | str, method: str, offer: Offer, answer: Reply | Exception, expected: Any
) -> None:
    caller = FakeCaller(answers=[answer])
    message = Message(id=request_id, method=method, params=msgspec.Raw(b'{"a":1}'))
    said = json.loads(asyncio.run(answered(message, offer, caller)))
    assert said["id"] == request_id
    if "code" in expected:
        assert said["error"]["code"] == expected["code"]
    else:
        assert {key: said[key] for key in expected} == expected
        assert caller.asked == [(method, {"a": 1})]


def test_ping_needs_nobody_and_nothing_else_is_asked_of_nobody() -> None:
    ping = json.loads(asyncio.run(answered(Message(id=1, method="ping"), NOTHING, None)))
    assert ping == {"jsonrpc": "2.0", "id": 1, "result": {}}
    question = Message(id=1, method=ELICIT)
    refused = json.loads(asyncio.run(answered(question, an_offer("elicitation"), None)))
    assert refused["error"]["code"] == METHOD_NOT_FOUND


def test_only_a_target_that_was_not_there_is_not_ready() -> None:
    standing, faults = Standing(), Faults("shop")
    assert not Standing().is_ready
    for error, is_ready in (
        (faults.protocol("x"), True),
        (faults.timeout(1, is_sent=True), True),
        (faults.lost("x"), False),
        (faults.unavailable("x"), False),
    ):
        standing.works()
        standing.fails(error)
        assert standing.is_ready is is_ready
        assert standing.detail == f"{error.code}: {error.detail}"
        assert isinstance(error, TargetError)


def listing_of(pages: list[dict[str, Json]]) -> Listing:
    asked: list[str | None] = []

    async def ask(cursor: str | None) -> dict[str, Json]:
        asked.append(cursor)
        return pages[len(asked) - 1]

    return asyncio.run(list_pages(ask))


def test_pages_are_put_together() -> None:
    pages: list[dict[str, Json]] = [
        {"tools": [{"name": "a"}, "junk"], "nextCursor": "x", "ttlMs": 60_000},
        {"tools": [{"name": "b"}], "ttlMs": 1500},
    ]
    assert listing_of(pages) == Listing(tools=({"name": "a"}, {}, {"name": "b"}), ttl_seconds=1.5)
    assert listing_of([{"tools": [], "ttlMs": "soon"}]) == Listing(tools=())


def test_a_list_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_TOOLS", 5)
    monkeypatch.setattr(session, "MAX_PAGES", 20)
    many: list[dict[str, Json]] = [
        {"tools": [{}] * 3, "nextCursor": str(number)} for number in range(50)
    ]
    empty: list[dict[str, Json]] = [{**page, "tools": []} for page in many]
    for pages in (many, empty, [{"tools": [], "nextCursor": ""}] * 3, [{"tools": None}]):
        with pytest.raises(WireError):
            listing_of(pages)
