"""/api/v1/policies, and changes to what the store holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.control.app import ControlEndpoint
from callgate.control.desk import Origin, Standing, Terms
from callgate.control.settings import ControlListenerSettings
from callgate.policy.validation import Finding
from callgate.policy.versions import EMPTY
from fakes.asgi import Answered, ask
from fakes.gateway import PERMIT, a_gateway
from fakes.operators import get, some_views
from fakes.policy_desk import FakePolicyDesk

FORBID = '\n@id("no") @mode("shadow") @reason("Ask ada.")\nforbid(principal, action, resource);'
JSON = (("host", "localhost"), ("content-type", "application/json"))
PATH = "/api/v1/policies"


def sent(
    desk: FakePolicyDesk, method: str, path: str, body: Any = None, *headers: tuple[str, str]
) -> Answered:
    endpoint = ControlEndpoint(some_views(policies=desk), ControlListenerSettings())
    content = b"" if body is None else json.dumps(body).encode()
    return ask(endpoint, PATH + path, method=method, headers=(*JSON, *headers), body=content)


def put(desk: FakePolicyDesk, identifier: str, text: str = "x", **more: Any) -> Answered:
    return sent(desk, "PUT", f"/{identifier}", {"text": text, **more})


def test_every_policy_is_listed_with_its_text_and_the_version_of_the_set() -> None:
    gateway = a_gateway(policies=f"{PERMIT}\n{FORBID}")

    told = get(PATH, gateway=lambda: gateway).json

    assert told["version"] == gateway.engine.version
    permit, forbid = told["policies"]
    assert (permit["id"], permit["source"], permit["effect"]) == ("permit-all", "p", "permit")
    assert "permit(principal, action, resource);" in permit["text"]
    assert (forbid["id"], forbid["effect"], forbid["advice"]) == ("no", "forbid", "Ask ada.")
    assert (forbid["line"], forbid["mode"], permit["mode"]) == (3, "shadow", "active")


def test_how_things_stand_is_told_with_the_list() -> None:
    finding = Finding(policy="no", source="p", message="does not fit shop___refund")
    desk = FakePolicyDesk(
        told=Standing(
            mode="observe",
            stored=EMPTY.info,
            origins={"p": Origin(kind="file", place="/srv/p")},
            findings=(finding,),
            commit={"id": "c0ffee", "author": "ada", "message": "m", "committed_at": 1.0},
            problems=("policies.git: it is down",),
        )
    )
    gateway = a_gateway(policies=f"{PERMIT}\n{FORBID}")
    views: dict[str, Any] = {"gateway": lambda: gateway, "policies": desk}

    answered, single = get(PATH, **views), get(f"{PATH}/no", **views)

    told = answered.json
    assert answered.headers["etag"] == single.headers["etag"] == '"0"'
    assert (told["mode"], told["stored_version"], told["commit"]["id"]) == ("observe", 0, "c0ffee")
    assert told["problems"] == ["policies.git: it is down"]
    assert [found["message"] for found in told["findings"]] == ["does not fit shop___refund"]
    assert (told["policies"][0]["origin"], told["policies"][0]["place"]) == ("file", "/srv/p")
    assert single.json == {**told["policies"][1], "findings": told["findings"]}
    assert get(f"{PATH}/other", **views).status == 404


def test_where_nothing_is_stored_there_is_no_version_to_agree_on() -> None:
    answered = get(PATH)

    assert answered.json["stored_version"] is None
    assert "etag" not in answered.headers


def test_a_policy_is_put_changed_and_deleted_and_every_version_stays() -> None:
    desk = FakePolicyDesk()

    made, changed = put(desk, "a", "one", message="why"), put(desk, "a", "two")
    deleted = sent(desk, "DELETE", "/a?message=gone&if_version=2")

    assert (made.status, changed.status, deleted.status) == (201, 200, 200)
    assert (made.headers["etag"], deleted.headers["etag"]) == ('"1"', '"3"')
    assert made.json["change"]["added"] == ["a"]
    assert made.json["version"]["author"] == "local"
    assert [terms.message for terms in desk.asked] == ["why", "", "gone"]
    listed = sent(desk, "GET", "/versions").json["versions"]
    assert [version["number"] for version in listed] == [3, 2, 1]
    assert listed[2]["created_at"] == "2026-09-21T14:13:20.000000Z"
    assert sent(desk, "GET", "/versions?limit=1").json["versions"] == listed[:1]
    assert sent(desk, "GET", "/versions/2").json["policies"] == {"a": "two"}
    diff = sent(desk, "GET", "/versions/1/diff/2").json
    assert (diff["from"], diff["to"], diff["changed"]) == (1, 2, ["a"])
    assert diff["text"].endswith("-one\n+two\n")


def test_one_goes_back_and_promotes_with_a_body() -> None:
    desk = FakePolicyDesk()
    put(desk, "a", "one")
    put(desk, "a", "two")

    back = sent(desk, "POST", "/rollback", {"version": 1, "message": "m"})
    promoted = sent(desk, "POST", "/promote", {"id": "a", "dry_run": True})

    assert back.json["version"]["number"] == 3
    assert desk.kept[3].policies == {"a": "one"}
    assert promoted.json["dry_run"] is True
    assert len(desk.kept) == 4


def test_a_dry_run_is_a_200_that_made_nothing() -> None:
    desk = FakePolicyDesk()

    answered = put(desk, "a", dry_run=True)
    sent(desk, "DELETE", "/a?dry_run=true")

    assert (answered.status, answered.json["version"]["number"]) == (200, 0)
    assert desk.kept == [EMPTY]


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"if_version": 3}, (), Terms(author="local", if_version=3)),
        ({}, (("if-match", '"3"'),), Terms(author="local", if_version=3, is_tagged=True)),
        ({"if_version": 3}, (("if-match", "3"),),
         Terms(author="local", if_version=3, is_tagged=True)),
        ({}, (("if-match", "*"),), Terms(author="local")),
        ({"message": None, "if_version": None}, (), Terms(author="local")),
    ],
)  # fmt: skip
def test_which_version_is_meant_can_be_said_in_two_ways(
    body: Any, headers: tuple[tuple[str, str], ...], expected: Terms
) -> None:
    desk = FakePolicyDesk()
    sent(desk, "PUT", "/a", {"text": "x", **body}, *headers)

    assert desk.asked == [expected]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "problem"),
    [
        ("PUT", "/a", [], (), "must be a JSON object"),
        ("PUT", "/a", {}, (), "`text` must be"),
        ("PUT", "/a", {"text": 1}, (), "`text` must be"),
        ("PUT", "/a", {"text": "x", "txt": "y"}, (), "no member 'txt'"),
        ("PUT", "/a", {"text": "x", "message": 1}, (), "`message` must be"),
        ("PUT", "/a", {"text": "x", "message": "x" * 2001}, (), "`message` must be"),
        ("PUT", "/a", {"text": "x", "dry_run": "yes"}, (), "`dry_run` must be"),
        ("PUT", "/a", {"text": "x", "if_version": "1"}, (), "`if_version` must be"),
        ("PUT", "/a", {"text": "x", "if_version": True}, (), "`if_version` must be"),
        ("PUT", "/a", {"text": "x"}, (("if-match", "abc"),), "`If-Match` must be"),
        ("PUT", "/a", {"text": "x", "if_version": 1}, (("if-match", '"2"'),), "send one"),
        ("DELETE", "/a?dry_run=1", None, (), "`dry_run` must be"),
        ("DELETE", "/a?if_version=x", None, (), "`if_version` must be"),
        ("DELETE", "/a?text=x", None, (), "no parameter 'text'"),
        ("POST", "/rollback", {"version": -1}, (), "`version` must be"),
        ("POST", "/rollback", {"version": True}, (), "`version` must be"),
        ("POST", "/promote", {"id": 1}, (), "`id` must be"),
        ("GET", "/versions?limit=0", None, (), "`limit` must be"),
        ("GET", "/versions?limit=x", None, (), "`limit` must be"),
        ("GET", "/versions/x", None, (), "must be a number"),
        ("GET", "/versions/1/diff/x", None, (), "must be a number"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_done(
    method: str, path: str, body: Any, headers: tuple[tuple[str, str], ...], problem: str
) -> None:
    desk = FakePolicyDesk()

    answered = sent(desk, method, path, body, *headers)

    assert answered.status == 400
    assert problem in answered.json["detail"]
    assert (desk.asked, desk.kept) == ([], [EMPTY])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/a", None),
        ("POST", "/rollback", {"version": 7}),
        ("POST", "/promote", {"id": "a"}),
        ("GET", "/versions/7", None),
        ("GET", "/versions/0/diff/7", None),
    ],
)
def test_what_is_not_there_is_a_404(method: str, path: str, body: Any) -> None:
    assert sent(FakePolicyDesk(), method, path, body).status == 404
