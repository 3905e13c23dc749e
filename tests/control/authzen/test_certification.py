"""The OpenID Foundation's certification scenario for AuthZEN 1.0, every level of it, over HTTP.

certification/authorization-api-1_0-scenario.md in github.com/openid/authzen, at commit e287920;
the numbers are those of its anchors.
"""

from __future__ import annotations

from typing import Any

import pytest

from callgate.model import Json
from fakes.asgi import ask
from fakes.pdp import a_pdp, posted

ALICE = {"type": "user", "id": "alice"}
BOB = {"type": "user", "id": "bob"}
ADMIN = {**BOB, "properties": {"role": "admin"}}
RECORD_1 = {"type": "record", "id": "record-1"}
RECORD_2 = {"type": "record", "id": "record-2"}
ACTIVE = {**RECORD_1, "properties": {"status": "active"}}
ARCHIVED = {**RECORD_2, "properties": {"status": "archived"}}
READ, WRITE = {"name": "read"}, {"name": "write"}
SOFT = {"name": "delete", "properties": {"soft": True}}
HARD = {"name": "delete", "properties": {"soft": False}}
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
REQUEST_1 = {"subject": ALICE, "action": READ, "resource": RECORD_1}

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SUBJECT = "/access/v1/search/subject"
RESOURCE = "/access/v1/search/resource"
ACTION = "/access/v1/search/action"


def asked(path: str, body: Json, status: int = 200) -> Any:
    answered = posted(a_pdp(), path, body)
    assert (answered.status, answered.status != 200 or answered.headers["content-type"]) == (
        status,
        status != 200 or "application/json",
    )
    return answered.json


def without(body: dict[str, Any], *path: str) -> dict[str, Any]:
    """The body without one member, at any depth."""
    head, *rest = path
    if not rest:
        return {name: value for name, value in body.items() if name != head}
    return {**body, head: without(body[head], *rest)}


@pytest.mark.parametrize(
    ("subject", "action", "resource", "decision"),
    [
        pytest.param(ALICE, READ, RECORD_1, True, id="c-1-4 rule 1"),
        pytest.param(ALICE, WRITE, RECORD_1, True, id="c-1-4 rule 2"),
        pytest.param(BOB, READ, RECORD_1, True, id="c-1-4 rule 3"),
        pytest.param(BOB, WRITE, RECORD_1, False, id="c-1-4 rule 4"),
        pytest.param(ALICE, WRITE, ARCHIVED, False, id="c-1-4 rule 5"),
        pytest.param(ADMIN, WRITE, ARCHIVED, True, id="c-1-4 rule 6"),
        pytest.param(ALICE, SOFT, RECORD_1, True, id="c-1-4 rule 7"),
        pytest.param(ALICE, HARD, RECORD_1, False, id="c-1-4 rule 8"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"context": CONTEXT}, {"foo": "bar", "future": {"n": True}}])
def test_the_eight_decisions_of_the_fixture_hold_with_and_without_context_and_unknown_fields(
    subject: Json, action: Json, resource: Json, decision: bool, more: dict[str, Json]
) -> None:
    body = {"subject": subject, "action": action, "resource": resource, **more}

    for _ in range(3):  # c-2-6: the same each time
        answered = asked(EVALUATION, body)
        assert answered["decision"] is decision
        assert isinstance(answered["context"], dict)


def test_c_2_2_8_further_properties_are_accepted() -> None:
    body = {
        "subject": {**ALICE, "properties": {"department": "Sales", "role": "manager"}},
        "action": {**READ, "properties": {"method": "GET"}},
        "resource": {**RECORD_1, "properties": {"status": "active", "owner": "bob"}},
    }

    assert asked(EVALUATION, body)["decision"] is True


@pytest.mark.parametrize(
    "body",
    [
        *(without(REQUEST_1, name) for name in ("subject", "action", "resource")),
        without(REQUEST_1, "subject", "type"),
        without(REQUEST_1, "subject", "id"),
        without(REQUEST_1, "action", "name"),
        without(REQUEST_1, "resource", "type"),
        without(REQUEST_1, "resource", "id"),
        {**REQUEST_1, "subject": "alice"},
        {**REQUEST_1, "action": {"name": 123}},
        b"{not json",
        b"",
    ],
)
@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS])
def test_c_2_4_what_is_missing_or_malformed_is_a_bad_request(path: str, body: Json) -> None:
    asked(path, body, 400)


def test_c_2_4_3_another_content_type_is_a_bad_request() -> None:
    assert posted(a_pdp(), EVALUATION, REQUEST_1, media_type="text/plain").status == 400


@pytest.mark.parametrize("body", [REQUEST_1, b""])
def test_c_2_5_the_request_id_comes_back_and_none_is_needed(body: Json) -> None:
    given = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"

    answered = posted(a_pdp(), EVALUATION, body, ("X-Request-ID", given))
    without_one = posted(a_pdp(), EVALUATION, body)

    assert answered.headers["x-request-id"] == given
    assert (answered.status, answered.body) == (without_one.status, without_one.body)
    assert "x-request-id" not in without_one.headers


@pytest.mark.parametrize(
    ("body", "decisions"),
    [
        pytest.param(
            {"subject": ALICE, "action": READ, "evaluations": [{"resource": RECORD_1},
                                                               {"resource": RECORD_2}]},
            [True, True], id="c-3-2-1",
        ),
        pytest.param(
            {"subject": BOB, "resource": RECORD_1, "evaluations": [{"action": READ},
                                                                   {"action": WRITE}]},
            [True, False], id="c-3-2-2",
        ),
        pytest.param(
            {"subject": ALICE, "action": WRITE, "evaluations": [{"resource": ACTIVE},
                                                                {"resource": ARCHIVED}]},
            [True, False], id="c-3-2-3",
        ),
        pytest.param(
            {"action": WRITE, "resource": ARCHIVED, "evaluations": [{"subject": ALICE},
                                                                    {"subject": ADMIN}]},
            [False, True], id="c-3-2-4",
        ),
        pytest.param(
            {"evaluations": [REQUEST_1, {"subject": BOB, "action": WRITE, "resource": RECORD_1}]},
            [True, False], id="c-3-2-5",
        ),
        pytest.param(
            {"subject": ALICE, "action": READ, "context": {"time": "2025-06-27T18:03-07:00"},
             "evaluations": [
                 {"resource": RECORD_1},
                 {"resource": RECORD_2,
                  "context": {"time": "2025-06-27T19:00-07:00", "source": "batch-override"}}]},
            [True, True], id="c-3-2-6",
        ),
        pytest.param(
            {"subject": ALICE, "action": WRITE, "resource": ACTIVE,
             "evaluations": [{}, {"resource": ARCHIVED}]},
            [True, False], id="c-3-2-7",
        ),
        pytest.param(
            {"subject": ALICE, "action": READ, "options": {"evaluations_semantic": "execute_all"},
             "evaluations": [{"resource": RECORD_1}, {}]},
            [True, False], id="c-3-4-1",
        ),
    ],
)  # fmt: skip
def test_c_3_a_batch_is_answered_in_its_order(body: Json, decisions: list[bool]) -> None:
    answered = asked(EVALUATIONS, body)

    assert list(answered) == ["evaluations"]
    assert [one["decision"] for one in answered["evaluations"]] == decisions


@pytest.mark.parametrize("more", [{}, {"evaluations": []}], ids=["c-3-4-2", "c-3-4-3"])
def test_c_3_4_without_evaluations_it_is_a_single_one(more: dict[str, Json]) -> None:
    assert asked(EVALUATIONS, {**REQUEST_1, **more}) == asked(EVALUATION, REQUEST_1)


USERS = {"subject": {"type": "user"}, "action": READ, "resource": RECORD_1}
RECORDS = {"subject": ALICE, "action": READ, "resource": {"type": "record"}}
ACTIONS = {"subject": ALICE, "resource": RECORD_1}


def found(path: str, body: Json) -> list[tuple[str, ...]]:
    """What a search finds: (type, id) or (name,)."""
    results = asked(path, body)["results"]
    return [tuple(one[name] for name in ("type", "id", "name") if name in one) for one in results]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        pytest.param(SUBJECT, USERS, [("user", "alice"), ("user", "bob")], id="c-4-2-1"),
        pytest.param(
            SUBJECT, {**USERS, "context": CONTEXT}, [("user", "alice"), ("user", "bob")],
            id="c-4-2-2",
        ),
        pytest.param(
            SUBJECT, {**USERS, "subject": ALICE}, [("user", "alice"), ("user", "bob")],
            id="c-4-2-3",
        ),
        pytest.param(
            SUBJECT, {"subject": {"type": "user"}, "action": WRITE, "resource": ARCHIVED},
            [("user", "bob")], id="c-4-2-4",
        ),
        pytest.param(
            RESOURCE, RECORDS, [("record", "record-1"), ("record", "record-2")], id="c-4-3-1"
        ),
        pytest.param(
            RESOURCE, {**RECORDS, "context": CONTEXT},
            [("record", "record-1"), ("record", "record-2")], id="c-4-3-2",
        ),
        pytest.param(
            RESOURCE, {**RECORDS, "resource": RECORD_1},
            [("record", "record-1"), ("record", "record-2")], id="c-4-3-3",
        ),
        pytest.param(
            RESOURCE, {"subject": ADMIN, "action": WRITE, "resource": {"type": "record"}},
            [("record", "record-2")], id="c-4-3-4",
        ),
        pytest.param(ACTION, ACTIONS, [("read",), ("write",)], id="c-4-4-1"),
        pytest.param(
            ACTION, {**ACTIONS, "context": CONTEXT}, [("read",), ("write",)], id="c-4-4-2"
        ),
        pytest.param(
            ACTION, {"subject": ADMIN, "resource": ARCHIVED}, [("read",), ("write",)],
            id="c-4-4-3",
        ),
        pytest.param(
            ACTION, {**ACTIONS, "subject": {"type": "user", "id": "nonexistent-user"}}, [],
            id="c-4-6-1",
        ),
        pytest.param(SUBJECT, {**USERS, "subject": {"type": "spaceship"}}, [], id="c-4-6-2"),
        pytest.param(RESOURCE, {**RECORDS, "resource": {"type": "spaceship"}}, [], id="c-4-6-2b"),
        pytest.param(
            RESOURCE, {**RECORDS, "subject": {"type": "spaceship", "id": "alice"}}, [],
            id="c-4-6-2c",
        ),
        pytest.param(
            ACTION, {**ACTIONS, "resource": {"type": "spaceship", "id": "1"}}, [], id="c-4-6-2d"
        ),
        pytest.param(
            SUBJECT, {**USERS, "resource": {"type": "record", "id": "record-9"}}, [], id="c-4-6-1b"
        ),
    ],
)  # fmt: skip
def test_c_4_searches_find_what_is_permitted_and_nothing_else(
    path: str, body: Json, expected: list[tuple[str, ...]]
) -> None:
    assert found(path, body) == expected


def test_c_4_5_pages_lead_to_the_end_of_the_results() -> None:
    first = asked(SUBJECT, {**USERS, "page": {"limit": 1}})
    token = first["page"]["next_token"]
    second = asked(SUBJECT, {**USERS, "page": {"token": token}})

    assert [one["id"] for one in first["results"]] == ["alice"]
    assert first["page"] == {"next_token": token, "count": 1, "total": 2}
    assert [one["id"] for one in second["results"]] == ["bob"]
    assert second["page"] == {"next_token": "", "count": 1, "total": 2}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SUBJECT, without(USERS, "action")),
        (RESOURCE, without(RECORDS, "subject")),
        (ACTION, without(ACTIONS, "resource")),
        (SUBJECT, without(USERS, "resource", "id")),
        (RESOURCE, without(RECORDS, "subject", "id")),
        (ACTION, without(ACTIONS, "subject", "id")),
    ],
)
def test_c_4_7_what_a_search_needs_and_does_not_get_is_a_bad_request(path: str, body: Json) -> None:
    asked(path, body, 400)


def test_c_6_the_metadata_say_where_everything_is() -> None:
    answered = ask(
        a_pdp(), "/.well-known/authzen-configuration", headers=(("host", "localhost:8081"),)
    )
    base = "http://localhost:8081"

    assert answered.headers["content-type"] == "application/json"
    assert answered.json == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}{EVALUATION}",
        "access_evaluations_endpoint": f"{base}{EVALUATIONS}",
        "search_subject_endpoint": f"{base}{SUBJECT}",
        "search_resource_endpoint": f"{base}{RESOURCE}",
        "search_action_endpoint": f"{base}{ACTION}",
    }
