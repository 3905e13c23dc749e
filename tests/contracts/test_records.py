"""What every record answers, whatever database holds it, with its index and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine
from sqlalchemy import event as event_of

from callgate.audit.event import event
from callgate.audit.explain import whole
from callgate.audit.keys import SigningKey
from callgate.audit.matching import matcher
from callgate.audit.principals import ERASED_CLAIMS, NOT_IN_RECORD, Recalled, describe
from callgate.model import Json
from callgate.ports import CallFilter, CursorError
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal
from fakes.chosen import FILTERS, name_of, some_calls
from fakes.losing import lose_descriptions
from fakes.postgres import a_database
from fakes.store import NOW, an_intent, an_outcome
from fakes.writing import an_appender, write

DATABASES = ("sqlite", "postgres")


@pytest.fixture(params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreSettings]:
    with _settings(request.param, tmp_path) as made:
        yield made


@contextmanager
def _settings(database: str, directory: Path) -> Iterator[StoreSettings]:
    if database == "sqlite":
        yield StoreSettings(path=directory / "r.db")
        return
    with a_database() as url:
        key = SigningKey.generated("callgate.example").text
        yield StoreSettings(url=url, signing_key=key, path=directory / "r.db")


@pytest.fixture(scope="module", params=DATABASES)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Records]:
    """Two gateways at the same time: of the first log half is indexed, of the second none."""
    with _settings(request.param, tmp_path_factory.mktemp("filled")) as settings:
        one, other = an_appender(settings), an_appender(settings)
        entries, others = some_calls(1300), some_calls(300, first=5000, seed=2)
        for first in range(0, len(entries), 60):
            one.write(entries[first : first + 60])
            if first < len(others):
                other.write(others[first : first + 60])
        records = Records(settings)
        while records.catch_up(1 << 20):
            pass
        # An outcome in another log than its intent, as recovery writes them.
        one.write(some_calls(60, first=1300))
        other.write([an_outcome("c00100", NOW + 20_000)])
        one.close()
        other.close()
        yield records


@pytest.fixture(scope="module")
def calls(filled: Records) -> dict[str, dict[str, Json]]:
    return everything(filled)


def everything(records: Records) -> dict[str, dict[str, Json]]:
    """Every call whole, from the entries one by one."""
    entries: dict[str, list[dict[str, Json]]] = {}
    for _, entry in records.scan({}):
        if entry["kind"] in ("intent", "outcome"):
            entries.setdefault(entry["call"], []).append(entry)
    for of_call in entries.values():
        of_call.sort(key=lambda entry: entry["kind"] != "intent")
    return {call_id: whole(of_call) for call_id, of_call in entries.items()}


@pytest.mark.parametrize("chosen", FILTERS, ids=name_of)
def test_every_chosen_call_is_found_once_and_no_other(
    filled: Records, calls: dict[str, dict[str, Json]], chosen: CallFilter
) -> None:
    fits = matcher(chosen)
    expected = {call_id for call_id, call in calls.items() if fits(call)}
    found = [call["call"] for call in filled.all_calls(replace(chosen, limit=150))]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("chosen", FILTERS, ids=name_of)
def test_without_an_index_the_same_calls_are_found_in_the_same_order(
    filled: Records, chosen: CallFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_index = [call["call"] for call in filled.all_calls(replace(chosen, limit=150))]
    monkeypatch.setattr("callgate.storage.index.opening.FORM", "of another version")
    without = [call["call"] for call in filled.all_calls(replace(chosen, limit=150))]
    assert without == with_index


def test_most_of_the_record_is_not_even_looked_at(filled: Records) -> None:
    heads = filled.heads()
    page = filled.calls(CallFilter(principal="nobody"))
    assert page.calls == ()
    assert page.behind == heads[1] % 1024 + heads[2]


def test_each_log_is_told_backwards_and_logs_by_time(filled: Records) -> None:
    calls = list(filled.all_calls(CallFilter()))
    places = [call["records"][-1] for call in calls]
    for log in (1, 2):
        seqs = [place["seq"] for place in places if place["log"] == log]
        assert seqs == sorted(seqs, reverse=True)


def test_pages_stay_right_while_calls_arrive_and_clocks_step(settings: StoreSettings) -> None:
    appender = an_appender(settings)
    appender.write([an_outcome(f"a{n}", NOW + n) for n in range(30)])
    appender.write([an_intent("open", NOW + 30)])
    records = Records(settings)
    found: list[str] = []
    page = records.calls(CallFilter(limit=4))
    while True:
        found += [call["call"] for call in page.calls]
        # One that is later, one that says it was earlier, and the end of one that was in flight.
        number = len(found)
        appender.write([an_outcome(f"b{number}", NOW + 99), an_outcome(f"d{number}", NOW - 99)])
        if number == 4:
            appender.write([an_outcome("open", NOW + 100)])
        if page.next is None:
            break
        page = records.calls(CallFilter(limit=4, after=page.next))
    appender.close()
    assert found == ["open", *(f"a{n}" for n in reversed(range(30)))]


def test_call_in_flight_is_not_lost_when_it_ends_while_pages_are_turned(
    settings: StoreSettings,
) -> None:
    appender = an_appender(settings)
    appender.write([an_intent("open", NOW)])
    appender.write([an_outcome(f"a{n}", NOW + n) for n in range(10)])
    records = Records(settings)
    page = records.calls(CallFilter(limit=5))
    appender.write([an_outcome("open", NOW + 100)])
    appender.close()
    rest = records.calls(CallFilter(limit=50, after=page.next))
    assert [call["call"] for call in rest.calls][-1] == "open"
    assert rest.calls[-1]["code"] == "ok"
    assert rest.next is None


def test_call_is_told_by_its_intent_and_its_outcome_together(settings: StoreSettings) -> None:
    write(settings, an_intent("c1"), an_outcome("c1"))
    (call,) = Records(settings).calls(CallFilter()).calls
    assert call["arguments"] == {"customer": "c1", "amount": 5}
    assert call["content"] == {"content": []}
    assert (call["code"], call["ran"], call["delivered"]) == ("ok", "yes", True)
    places = [(place["kind"], place["log"], place["seq"]) for place in call["records"]]
    assert places == [("intent", 1, 0), ("outcome", 1, 1)]


def test_call_without_an_outcome_is_in_flight(settings: StoreSettings) -> None:
    appender = an_appender(settings)
    appender.write([an_intent("c1"), an_intent("c2"), an_outcome("c2")])
    found = Records(settings).calls(CallFilter()).calls
    assert [(call["call"], call["code"]) for call in found] == [("c2", "ok"), ("c1", None)]
    appender.close()


def test_short_ids_of_a_page_cost_as_much_as_that_of_one_call(settings: StoreSettings) -> None:
    write(settings, *(an_outcome(f"c{number:03}") for number in range(60)))
    records = Records(settings)
    asked: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    numbers = []
    event_of.listen(Engine, "before_cursor_execute", count)
    try:
        for limit in (1, 50):
            asked.clear()
            assert len(records.calls(CallFilter(limit=limit)).calls) == limit
            numbers.append(len(asked))
    finally:
        event_of.remove(Engine, "before_cursor_execute", count)
    assert numbers[0] == numbers[1]


def test_short_id_is_the_shortest_that_no_other_call_has(settings: StoreSettings) -> None:
    ids = ["c0123456789", "c0123456a00", "c0123456a01", "d"]
    write(settings, *map(an_outcome, ids))
    records = Records(settings)
    short = {call["call"]: call["short"] for call in records.calls(CallFilter()).calls}
    assert list(short.values()) == ["d", "c0123456a01", "c0123456a00", "c01234567"]
    for call_id, beginning in short.items():
        assert records.find(beginning) == [call_id]


def test_calls_are_found_by_their_beginning(settings: StoreSettings) -> None:
    write(settings, *map(an_outcome, ["ca2", "ca1", "cb1", "c%"]), an_intent("ca1"))
    records = Records(settings)
    assert records.find("ca") == ["ca1", "ca2"]
    assert records.find("c", limit=3) == ["c%", "ca1", "ca2"]
    assert records.find("c%") == ["c%"]
    assert records.find("x") == []


def test_entries_of_a_call_have_their_places(settings: StoreSettings) -> None:
    write(settings, an_outcome("c0"), an_intent("c1"), an_outcome("c1"))
    records = Records(settings)
    first, second = records.entries("c1")
    assert (first["kind"], first["record"]["log"], first["record"]["seq"]) == ("intent", 1, 1)
    assert second["record"]["seq"] == 2
    assert records.entries("c9") == []


def test_principals_are_told_as_they_were_last_seen_the_latest_first(
    settings: StoreSettings,
) -> None:
    who = {"kind": "api_key", "tenant": "acme", "agent": "helper"}
    ada, promoted = (a_principal("ada", "agents", *more, **who) for more in ((), ("finance",)))
    alone = a_principal("ada", agent=None)
    write(
        settings,
        an_intent("c1", NOW, principal=ada),
        an_outcome("c1", NOW + 1, principal=ada),
        an_outcome("c2", NOW + 2, principal=promoted),
        an_outcome("c3", NOW + 3, principal=alone),
    )
    records = Records(settings)
    assert [one.principal for one in records.people(10)] == [alone, promoted]
    assert [one.principal for one in records.people(1)] == [alone]


def test_principals_of_one_id_are_told_apart_by_issuer_kind_and_tenant(
    settings: StoreSettings,
) -> None:
    odd = 'ada","issuer":"https://b'
    people = [
        a_principal("ada", issuer="https://a"),
        a_principal("ada", issuer="https://b"),
        a_principal("ada", issuer="https://b", kind="api_key"),
        a_principal("ada", issuer="https://b", kind="api_key", tenant="acme"),
        a_principal("ada", issuer="https://b", kind="api_key", tenant="umbrella"),
        a_principal(odd, issuer="https://a", tenant='","agent":null'),
        a_principal(odd, issuer="https://c"),
    ]
    write(
        settings,
        *(an_outcome(f"c{n}", NOW + n, principal=people[n % 7]) for n in range(14)),
    )
    found = [one.principal for one in Records(settings).people(10)]
    assert found == people[::-1]


def test_people_have_the_claims_of_their_last_call_or_it_is_said_why_not(
    settings: StoreSettings,
) -> None:
    clerk, auditor, lost = (
        a_principal(name, claims={"role": role, "jti": f"of {role}"})
        for name, role in (("ada", "clerk"), ("ada", "auditor"), ("bob", "lost"))
    )
    nobody = a_principal("eve")
    described = [describe(one).entry(NOW) for one in (clerk, auditor)]
    write(
        settings,
        *described,
        described[1],
        an_outcome("c1", NOW, principal=clerk),
        an_outcome("c2", NOW + 1, principal=auditor),
        an_outcome("c3", NOW + 2, principal=lost),
        an_outcome("c4", NOW + 3, principal=nobody),
    )
    records = Records(settings)

    assert records.people(10) == [
        Recalled(principal=nobody),
        Recalled(principal=a_principal("bob", claims={"jti": "of lost"}), lacks=NOT_IN_RECORD),
        Recalled(principal=auditor),
    ]
    assert records.people(1) == [Recalled(principal=nobody)]
    lose_descriptions(settings)
    assert records.people(3)[2].lacks == ERASED_CLAIMS


def test_principals_are_the_same_from_the_index(
    filled: Records, calls: dict[str, dict[str, Json]]
) -> None:
    last: dict[tuple[str, ...], tuple[str, dict[str, Json]]] = {}
    for call in calls.values():
        who = call.get("principal")
        if who is not None and call["code"] is not None:
            key = tuple(str(who[name]) for name in ("issuer", "tenant", "id", "agent"))
            last[key] = max(last.get(key, ("", who)), (call["at"], who), key=lambda pair: pair[0])
    found = [one.principal for one in filled.people(10)]
    assert {principal.id for principal in found} == {who["id"] for _, who in last.values()}
    assert len(found) == len(last)


def test_events_are_found_by_name_and_what_they_define_by_id(settings: StoreSettings) -> None:
    events = [
        event("policies_in_force", NOW, {"version": "1"}),
        event("tool_changed", NOW + 1, {"tool": "refund"}),
        event("policies_in_force", NOW + 2, {"version": "2"}),
    ]
    write(settings, events[0], an_outcome("c1"), *events[1:])
    records = Records(settings)
    found = list(records.events(["policies_in_force"]))
    assert [one["version"] for one in found] == ["1", "2"]
    assert [one["event"] for one in records.events(["tool_changed", "policies_in_force"])] == [
        "policies_in_force",
        "tool_changed",
        "policies_in_force",
    ]
    later = records.events(["policies_in_force"], since=NOW + 1)
    assert [one["version"] for one in later] == ["2"]
    assert list(records.events(["policies_in_force"], until=NOW)) == []
    defined = records.defined(events[1].call_id)
    assert defined is not None and defined["tool"] == "refund"
    assert records.defined("tool:" + "0" * 64) is None
    assert records.defined("c1") is None  # a call defines nothing


def test_scan_gives_each_entry_once_and_goes_on_where_it_was(filled: Records) -> None:
    whole_scan = list(filled.scan({}))
    places = [(entry["record"]["log"], entry["record"]["seq"]) for _, entry in whole_scan]
    assert len(set(places)) == len(places) == sum(filled.heads().values())
    for cut in (0, 1, 700, len(whole_scan) - 1):
        positions, _ = whole_scan[cut]
        rest = [entry for _, entry in filled.scan(positions)]
        assert rest == [entry for _, entry in whole_scan[cut + 1 :]]
    assert list(filled.scan(filled.heads())) == []


def test_scan_of_calls_gives_each_that_ended_once_whole(
    filled: Records, calls: dict[str, dict[str, Json]]
) -> None:
    found = list(filled.scan_calls({}))
    told = [call for _, call in found]
    ended = {call_id for call_id, call in calls.items() if call["code"] is not None}
    assert {call["call"] for call in told} == ended
    for call in told:
        if call["call"] != "c00100":  # which has two outcomes here
            assert call == calls[call["call"]]
    positions, _ = found[len(found) // 2]
    rest = [call for _, call in filled.scan_calls(positions)]
    assert rest == told[len(found) // 2 + 1 :]


def test_scan_of_chosen_calls_gives_the_same_as_pages(filled: Records) -> None:
    chosen = CallFilter(principal="ada", code="ok")
    scanned = {call["call"] for _, call in filled.scan_calls({}, chosen)}
    assert scanned == {call["call"] for call in filled.all_calls(chosen)}


def test_scan_goes_on_beside_a_writer(settings: StoreSettings) -> None:
    appender = an_appender(settings)
    appender.write([an_outcome(f"a{n}") for n in range(5)])
    records = Records(settings)
    walk = records.scan({})
    _, entry = next(walk)
    appender.write([an_outcome("b")])
    rest = [one["call"] for _, one in walk]
    assert [entry["call"], *rest] == [f"a{n}" for n in range(5)]  # what there was when it began
    assert [one["call"] for _, one in records.scan({1: 5})] == ["b"]
    appender.close()


def test_what_ended_since_is_told_once_oldest_first(settings: StoreSettings) -> None:
    appender = an_appender(settings)
    appender.write([an_outcome("before")])
    records = Records(settings)
    page = records.ended(CallFilter())
    assert page.calls == ()
    appender.write([an_intent("a"), an_outcome("a"), an_outcome("b", code="not_permitted")])
    page = records.ended(CallFilter(after=page.next))
    assert [call["call"] for call in page.calls] == ["a", "b"]
    appender.write([an_outcome("c"), an_outcome("d", code="not_permitted"), an_outcome("e")])
    chosen = CallFilter(after=page.next, is_refused=True)
    assert [call["call"] for call in records.ended(chosen).calls] == ["d"]
    first = records.ended(CallFilter(after=page.next, limit=1))
    rest = records.ended(CallFilter(after=first.next))
    assert [call["call"] for call in (*first.calls, *rest.calls)] == ["c", "d", "e"]
    assert records.ended(CallFilter(after=rest.next)).calls == ()
    appender.close()


def test_following_gives_what_there_is_and_then_what_comes(settings: StoreSettings) -> None:
    appender = an_appender(settings)
    appender.write([an_outcome("a")])
    to_come = [["b", "c"], [], ["d"]]

    def wait() -> bool:
        if not to_come:
            return False
        appender.write([an_outcome(call_id) for call_id in to_come.pop(0)])
        return True

    followed = Records(settings).follow({}, wait)
    assert [call["call"] for _, call in followed] == ["a", "b", "c", "d"]
    appender.close()


@pytest.mark.parametrize("cursor", ["", "x", "é", "k" * 200_000, "kwGRkwEAAA", "kwKRkwEAAA=="])
@pytest.mark.parametrize("ask", [Records.calls, Records.ended])
def test_cursor_that_is_none_is_refused(
    settings: StoreSettings, cursor: str, ask: Callable[[Records, CallFilter], Any]
) -> None:
    write(settings, an_outcome("c1"))
    with pytest.raises(CursorError, match="as it was"):
        ask(Records(settings), CallFilter(after=cursor))


def test_cursor_of_pages_is_none_of_what_is_new_nor_the_other_way(settings: StoreSettings) -> None:
    write(settings, *(an_outcome(f"c{n}") for n in range(3)))
    records = Records(settings)
    page, new = records.calls(CallFilter(limit=1)), records.ended(CallFilter())
    with pytest.raises(CursorError):
        records.ended(CallFilter(after=page.next))
    with pytest.raises(CursorError):
        records.calls(CallFilter(after=new.next))
