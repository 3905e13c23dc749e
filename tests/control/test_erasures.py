"""/api/v1/holds and /api/v1/erasures: nothing is meant as a whole because something was left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.audit.selecting import Selector
from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from fakes.asgi import Answered, ask
from fakes.erasing_desk import HOLD, FakeErasingDesk
from fakes.operators import some_views

TOKEN = "t" * 32
HEADERS = (
    ("host", "localhost"),
    ("content-type", "application/json"),
    ("authorization", f"Bearer {TOKEN}"),
)


def asked(desk: FakeErasingDesk, path: str, body: Any = None, operator: str = "eve") -> Answered:
    views = some_views(erasing=lambda: desk)
    who = {"operators" if operator == "eve" else "readers": {operator: TOKEN}}
    endpoint = ControlEndpoint(views, ControlListenerSettings.model_validate(who))
    if body is None:
        return ask(endpoint, path, headers=HEADERS)
    content = json.dumps(body).encode()
    return ask(endpoint, path, method="POST", headers=HEADERS, body=content)


def test_holds_are_listed_placed_and_released_under_the_name_of_who_asks() -> None:
    desk = FakeErasingDesk()
    assert asked(desk, "/api/v1/holds").json == {"holds": [HOLD.told()]}
    placed = asked(desk, "/api/v1/holds", {"covers": {"run": "r1"}, "reason": "a case"})
    assert (placed.status, placed.json["id"]) == (201, "e1")
    assert asked(desk, "/api/v1/holds/e1/release", {"reason": "over"}).status == 200
    assert asked(desk, "/api/v1/holds/e2/release", {"reason": "over"}).status == 404
    assert desk.asked[1:3] == [
        ("place", Selector(run="r1"), "a case", "eve"),
        ("release", "e1", "over", "eve"),
    ]


def test_a_dry_run_counts_and_anything_else_erases() -> None:
    desk = FakeErasingDesk()
    covers = {"principal": "ada"}
    body = {"what": "payloads", "covers": covers, "dry_run": True}
    counted = asked(desk, "/api/v1/erasures", body).json
    assert counted == {"entries": 2, "calls": 1, "held": 1, "open": 0, "erased": False}
    body = {"what": "calls", "covers": "everything", "reason": "asked"}
    assert asked(desk, "/api/v1/erasures", body).json["erased"] is True
    assert desk.asked == [
        ("count", Selector(principal="ada"), "payloads"),
        ("erase", Selector(), "calls", "asked", "eve"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"what": "events", "covers": {"run": "r"}, "reason": "x"},
        {"what": "calls", "covers": {}, "reason": "x"},
        {"what": "calls", "covers": {"user": "x"}, "reason": "x"},
        {"what": "calls", "covers": {"run": "r"}, "reason": " "},
        {"what": "calls", "covers": {"run": "r"}},
        {"what": "calls", "covers": {"run": "r"}, "reason": "x" * 2001},
        {"what": "calls", "covers": {"run": "r"}, "reason": "x", "dry_run": "no"},
        {"what": "calls", "covers": {"run": "r"}, "reason": "x", "more": 1},
    ],
)
def test_what_does_not_say_enough_is_refused(body: Any) -> None:
    desk = FakeErasingDesk()
    assert asked(desk, "/api/v1/erasures", body).status == 400
    assert desk.asked == []


def test_readers_see_holds_and_change_nothing() -> None:
    desk = FakeErasingDesk()
    assert asked(desk, "/api/v1/holds", operator="bob").status == 200
    body = {"what": "calls", "covers": {"run": "r"}, "reason": "x"}
    assert asked(desk, "/api/v1/erasures", body, operator="bob").status == 403
    assert asked(desk, "/api/v1/holds", {"covers": {"run": "r"}}, operator="bob").status == 403


def test_a_record_that_cannot_be_written_is_said() -> None:
    told = asked(FakeErasingDesk("it is down"), "/api/v1/holds")
    assert (told.status, "it is down" in told.json["detail"]) == (503, True)
