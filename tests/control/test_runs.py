"""/api/v1/runs: lists, reviews and verdicts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.ports import StoreError
from callgate.review.verdicts import ReviewVerdict
from fakes.asgi import Answered, ask
from fakes.operators import FakeRecords, some_views

JSON = (("host", "localhost"), ("content-type", "application/json"))
CALL: dict[str, Any] = {
    "kind": "outcome",
    "call": "c1",
    "run": "r1",
    "received_at": "2026-09-21T14:13:20.000000Z",
    "at": "2026-09-21T14:13:21.000000Z",
    "principal": {"id": "sam"},
    "target": "shop",
    "tool": "refund",
    "code": "not_permitted",
    "ran": "no",
    "delivered": False,
    "record": {"log": 1, "seq": 1, "hash": "x"},
}


def records(**more: Any) -> FakeRecords:
    call = {**CALL, **more}
    return FakeRecords(found=[call], by_id={"c1": [call]})


def asked(path: str, of: FakeRecords | None = None) -> Answered:
    views = some_views(records=of or records())
    return ask(ControlEndpoint(views, ControlListenerSettings()), path)


def judged(
    body: Any, of: FakeRecords | None = None, **more: Any
) -> tuple[Answered, list[ReviewVerdict]]:
    kept: list[ReviewVerdict] = []

    async def keep(said: ReviewVerdict) -> None:
        kept.append(said)

    views = some_views(records=of or records(), keep_verdict=more.pop("keep", keep))
    endpoint = ControlEndpoint(views, ControlListenerSettings())
    path = more.pop("path", "/api/v1/runs/r1/verdicts")
    content = json.dumps(body).encode()
    return ask(endpoint, path, method="POST", headers=JSON, body=content), kept


def test_runs_are_listed() -> None:
    told = asked("/api/v1/runs?principal=sam&calls=50").json

    (run,) = told["runs"]
    assert (run["run"], run["principal"], run["calls"]) == ("r1", "sam", 1)
    assert run["outcomes"] == {"refused": 1}


def test_one_run_is_reviewed() -> None:
    told = asked("/api/v1/runs/r1").json

    assert told["run"] == "r1"
    assert [step["call"] for step in told["steps"]] == ["c1"]
    assert told["findings"] == []


def test_what_is_not_there_is_not_found_and_a_record_that_cannot_be_read_is_said() -> None:
    assert asked("/api/v1/runs/r1", FakeRecords()).status == 404
    assert asked("/api/v1/runs", FakeRecords(fault="down")).status == 503
    assert asked("/api/v1/runs?calls=0").status == 400
    assert asked("/api/v1/runs?nonsense=1").status == 400


def test_a_verdict_is_kept_under_the_name_of_who_asks() -> None:
    body = {"call": "c1", "verdict": "over-blocked", "note": "a lead"}
    answered, kept = judged(body)

    assert answered.status == 201
    assert answered.json["author"] == "local"
    assert [(one.about, one.run, one.verdict, one.note) for one in kept] == [
        ("c1", "r1", "over-blocked", "a lead")
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"call": "c1", "verdict": "shrugged"}, 400),
        ({"call": "", "verdict": "justified"}, 400),
        ({"verdict": "justified"}, 400),
        ({"call": "c1", "verdict": "justified", "note": 7}, 400),
        ({"call": "c1", "verdict": "justified", "note": "x" * 2001}, 400),
        ({"call": "c1", "verdict": "justified", "author": "eve"}, 400),
        ([], 400),
        ({"call": "c2", "verdict": "justified"}, 404),
        ({"call": "c1", "verdict": "missed"}, 409),
    ],
)
def test_a_verdict_that_makes_no_sense_is_not_kept(body: Any, status: int) -> None:
    answered, kept = judged(body)

    assert answered.status == status
    assert not kept


def test_a_call_of_another_run_is_not_judged_here() -> None:
    answered, _ = judged({"call": "c1", "verdict": "justified"}, path="/api/v1/runs/r2/verdicts")

    assert answered.status == 404


def test_a_verdict_that_cannot_be_kept_is_an_error() -> None:
    async def fail(_said: ReviewVerdict) -> None:
        raise StoreError("disk full")

    answered, _ = judged({"call": "c1", "verdict": "justified"}, keep=fail)

    assert answered.status == 503
    assert "disk full" in answered.json["detail"]
