"""What a target says meanwhile reaches its own caller only, and lists end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callgate.model import Json
from callgate.ports import Listing, TargetError, ToolRequest
from callgate.protocol.outbound import WireError, read_message
from callgate.upstream import session
from callgate.upstream.faults import Faults
from callgate.upstream.session import Changes, Notes, Standing, list_pages
from fakes.target import FakeCaller


def told(message: dict[str, Any], token: int | None) -> list[Any]:
    caller = FakeCaller()
    request = ToolRequest(call_id="c", tool="t", arguments=b"{}", progress_token="mine")
    notes = Notes(request, caller, token)
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
    changes, heard = Changes(), []
    forgets = [changes.listen(lambda name=name: heard.append(name)) for name in "ab"]  # type: ignore[misc]
    changes.announce()
    forgets[0]()
    forgets[0]()
    changes.announce()
    assert heard == ["a", "b", "b"]


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
