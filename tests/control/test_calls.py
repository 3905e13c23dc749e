"""/api/v1/calls: a fake reader for the questions, the real record for the answers."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from callgate.audit.questions import Condition
from callgate.control import calls
from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.control.views import Crowd
from callgate.ports import CallFilter
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.asgi import Answered, ask
from fakes.operators import FakeRecords, get, some_views
from fakes.store import NOW, an_intent, an_outcome
from fakes.writing import an_appender, write


@pytest.fixture
def records(tmp_path: Path) -> Records:
    settings = StoreSettings(path=tmp_path / "record.db")
    entries = []
    for number, code in enumerate([None, "not_permitted", None]):
        call_id = f"c{number}"
        entries.append(an_intent(call_id, NOW + number))
        entries.append(an_outcome(call_id, NOW + number + 0.5, code))
    write(settings, *entries)
    return Records(settings)


def about(records: Records, path: str) -> Answered:
    return ask(ControlEndpoint(some_views(records=records), ControlListenerSettings()), path)


def ids(answered: Answered) -> list[str]:
    assert answered.status == 200
    return [call["call"] for call in answered.json["calls"]]


def asked(query: str) -> CallFilter:
    records = FakeRecords()
    answered = get(f"/api/v1/calls?{query}", records=records)
    assert answered.status == 200, answered.json
    return records.asked[0]


def test_calls_are_listed_newest_first(records: Records) -> None:
    assert ids(about(records, "/api/v1/calls")) == ["c2", "c1", "c0"]


def test_calls_are_listed_by_how_they_ended(records: Records) -> None:
    assert ids(about(records, "/api/v1/calls?refused=true")) == ["c1"]
    assert ids(about(records, "/api/v1/calls?code=ok&limit=1")) == ["c2"]


def test_each_page_leads_to_the_next(records: Records) -> None:
    page = about(records, "/api/v1/calls?limit=2").json
    rest = about(records, f"/api/v1/calls?limit=2&after={page['next']}").json

    assert [call["call"] for call in page["calls"] + rest["calls"]] == ["c2", "c1", "c0"]
    assert rest["next"] is None


def test_calls_are_found_by_words_and_by_what_is_in_them(records: Records) -> None:
    assert ids(about(records, "/api/v1/calls?search=%22not%20to%20be%22")) == ["c1"]
    found = about(records, "/api/v1/calls?where=arguments.amount%3E=5&where=code=ok")
    assert ids(found) == ["c2", "c0"]


def test_live_says_where_now_is_and_then_what_ended_since(records: Records, tmp_path: Path) -> None:
    now = about(records, "/api/v1/calls/live").json
    assert now["calls"] == []
    appender = an_appender(StoreSettings(path=tmp_path / "record.db"))
    appender.write([an_outcome("c3"), an_outcome("c4", code="not_permitted"), an_outcome("c5")])
    appender.close()

    since = about(records, f"/api/v1/calls/live?code=ok&after={now['next']}&wait=60")

    assert ids(since) == ["c3", "c5"]
    assert ids(about(records, f"/api/v1/calls/live?after={since.json['next']}")) == []


def test_live_waits_until_a_call_ends_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LOOK_EVERY_SECONDS", 0.001)
    records = FakeRecords(to_come=[(), (), ({"call": "c9"},), ({"call": "never"},)])

    assert ids(get("/api/v1/calls/live?after=n0&wait=60", records=records)) == ["c9"]
    assert [chosen.after for chosen in records.asked] == ["n0", "n1", "n2"]


@pytest.mark.parametrize(("seconds", "is_stopping"), [(0, False), (60, True)])
def test_live_answers_at_once_where_nobody_wants_to_wait_or_the_gateway_ends(
    seconds: int, is_stopping: bool
) -> None:
    records = FakeRecords(to_come=[(), ({"call": "c9"},)])
    query = f"after=n0&wait={seconds}"
    answered = get(f"/api/v1/calls/live?{query}", records=records, is_stopping=lambda: is_stopping)

    assert answered.json["calls"] == []
    assert answered.json["next"] == "n1"


def test_no_more_than_some_may_wait_at_once() -> None:
    crowd = Crowd()
    views = {"records": FakeRecords(), "waiting": crowd}
    with ExitStack() as stack:
        for _ in range(calls.MOST_WAITING):
            stack.enter_context(crowd.one_more(calls.MOST_WAITING))
        refused = get("/api/v1/calls/live?after=n0&wait=1", **views)
        assert refused.status == 429
        assert refused.headers["retry-after"] == "5"
        assert get("/api/v1/calls/live?after=n0", **views).status == 200


def test_one_call_is_told_in_words_and_with_all_its_entries(records: Records) -> None:
    told = about(records, "/api/v1/calls/c1").json

    assert told["call_id"] == "c1"
    assert told["headline"] in told["text"]
    assert "not_permitted" in told["text"]
    assert [entry["kind"] for entry in told["entries"]] == ["intent", "outcome"]


def test_a_call_that_is_not_in_the_record_is_not_found(records: Records) -> None:
    answered = about(records, "/api/v1/calls/c")

    assert answered.status == 404
    assert answered.headers["content-type"] == "application/problem+json"


def test_every_parameter_reaches_the_record() -> None:
    assert asked(
        "principal=ada&agent=bot&target=shop&tool=refund&code=not_permitted&refused=true"
        "&tenant=acme&tool_sha256=00ff&method=tools/call&run=r1&session=s1&trace=4bf9&policy=p1"
        "&interceptor=redact&label=pii&ran=yes&delivered=false&lists=true&search=wire%20transfer"
        "&where=arguments.amount%3E%3D500&where=code=ok&after=k1"
        "&since=2026-09-21T14:13:20Z&until=2026-09-21T16:13:21%2B02:00&limit=7"
    ) == CallFilter(
        principal="ada",
        agent="bot",
        target="shop",
        tool="refund",
        code="not_permitted",
        is_refused=True,
        tenant="acme",
        tool_sha256="00ff",
        method="tools/call",
        run="r1",
        session="s1",
        trace="4bf9",
        policy="p1",
        interceptor="redact",
        label="pii",
        ran="yes",
        is_delivered=False,
        with_lists=True,
        text="wire transfer",
        where=(Condition.parse("arguments.amount>=500"), Condition.parse("code=ok")),
        after="k1",
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
        "ran=perhaps",
        "delivered=1",
        "lists=perhaps",
        "where==5",
        "where=" + "&where=".join(["code=ok"] * 33),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named_and_nothing_is_asked(query: str) -> None:
    records = FakeRecords()

    answered = get(f"/api/v1/calls?{query}", records=records)

    assert answered.status == 400
    assert query.partition("=")[0] in answered.json["detail"]
    assert records.asked == []


@pytest.mark.parametrize("path", ["/api/v1/calls", "/api/v1/calls/c1", "/api/v1/calls/live"])
def test_a_record_that_cannot_be_read_is_said_to_be_so(path: str) -> None:
    answered = get(path, records=FakeRecords(fault="the disk is on fire"))

    assert answered.status == 503
    assert answered.json["detail"] == "The record cannot be read now: the disk is on fire"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("after=somewhere", "`after`: this is no cursor"),
        ("search=***", "`search`: the search has no"),
    ],
)
def test_cursor_or_search_that_is_none_is_the_asker_s_fault(
    records: Records, query: str, said: str
) -> None:
    for path in ("/api/v1/calls", "/api/v1/calls/live"):
        answered = about(records, f"{path}?{query}")
        if "search" in query and path.endswith("live"):
            answered = about(records, f"{path}?{query}&after={_now(records)}")
        assert answered.status == 400
        assert answered.json["detail"].startswith(said)


def _now(records: Records) -> str:
    return str(about(records, "/api/v1/calls/live").json["next"])
