"""/api/v1/calls: a fake reader for the questions, the real record for the answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.ports import CallFilter
from callgate.storage.reading import SqliteRecords
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import SqliteCallStore
from fakes.asgi import Answered, ask
from fakes.clock import FakeClock
from fakes.operators import FakeRecords, get, some_views
from fakes.store import NOW, an_intent, an_outcome


@pytest.fixture
def records(tmp_path: Path) -> SqliteRecords:
    path = tmp_path / "record.db"

    async def fill() -> None:
        store = SqliteCallStore(StoreSettings(path=path), FakeClock())
        await store.open()
        for number, code in enumerate([None, "not_permitted", None]):
            call_id = f"c{number}"
            await store.append(an_intent(call_id, NOW + number))
            await store.append(an_outcome(call_id, NOW + number + 0.5, code))
        await store.close()

    asyncio.run(fill())
    return SqliteRecords(path)


def about(records: SqliteRecords, path: str) -> Answered:
    return ask(ControlEndpoint(some_views(records=records), ControlListenerSettings()), path)


def ids(answered: Answered) -> list[str]:
    assert answered.status == 200
    return [call["call"] for call in answered.json["calls"]]


def asked(query: str) -> CallFilter:
    records = FakeRecords()
    answered = get(f"/api/v1/calls?{query}", records=records)
    assert answered.status == 200, answered.json
    return records.asked[0]


def test_calls_are_listed_newest_first(records: SqliteRecords) -> None:
    assert ids(about(records, "/api/v1/calls")) == ["c2", "c1", "c0"]


def test_calls_are_listed_by_how_they_ended(records: SqliteRecords) -> None:
    assert ids(about(records, "/api/v1/calls?refused=true")) == ["c1"]
    assert ids(about(records, "/api/v1/calls?code=ok&limit=1")) == ["c2"]


def test_the_last_call_of_a_page_leads_to_the_next_page(records: SqliteRecords) -> None:
    page = about(records, "/api/v1/calls?limit=2").json["calls"]

    assert ids(about(records, f"/api/v1/calls?until={page[-1]['at']}")) == ["c0"]


def test_one_call_is_told_in_words_and_with_all_its_entries(records: SqliteRecords) -> None:
    told = about(records, "/api/v1/calls/c1").json

    assert told["call_id"] == "c1"
    assert told["headline"] in told["text"]
    assert "not_permitted" in told["text"]
    assert [entry["kind"] for entry in told["entries"]] == ["intent", "outcome"]


def test_a_call_that_is_not_in_the_record_is_not_found(records: SqliteRecords) -> None:
    answered = about(records, "/api/v1/calls/c")

    assert answered.status == 404
    assert answered.headers["content-type"] == "application/problem+json"


def test_every_parameter_reaches_the_record() -> None:
    assert asked(
        "principal=ada&agent=bot&target=shop&tool=refund&code=not_permitted&refused=true"
        "&since=2026-09-21T14:13:20Z&until=2026-09-21T16:13:21%2B02:00&limit=7"
    ) == CallFilter(
        principal="ada",
        agent="bot",
        target="shop",
        tool="refund",
        code="not_permitted",
        is_refused=True,
        since=NOW,
        until=NOW + 1,
        limit=7,
    )


def test_without_parameters_the_latest_calls_of_everybody_are_meant() -> None:
    assert asked("") == CallFilter()


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=2026-09-21T14:13:20",
        "until=",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=many",
        "limit=%D9%A3",
        "limit=1000000000000000000000",
        "refused=false",
        "refused=yes",
        "user=ada",
        "code=ok&code=ok",
    ],
)
def test_a_parameter_that_makes_no_sense_is_named_and_nothing_is_asked(query: str) -> None:
    records = FakeRecords()

    answered = get(f"/api/v1/calls?{query}", records=records)

    assert answered.status == 400
    assert query.partition("=")[0] in answered.json["detail"]
    assert records.asked == []


@pytest.mark.parametrize("path", ["/api/v1/calls", "/api/v1/calls/c1"])
def test_a_record_that_cannot_be_read_is_said_to_be_so(path: str) -> None:
    answered = get(path, records=FakeRecords(fault="the disk is on fire"))

    assert answered.status == 503
    assert answered.json["detail"] == "The record cannot be read now: the disk is on fire"
