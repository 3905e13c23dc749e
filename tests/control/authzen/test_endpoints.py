"""AuthZEN over HTTP: batches and what ends them, counting, faults, and hostile bodies."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.control.app import ControlEndpoint
from callgate.control.authzen.endpoints import MOST_EVALUATIONS
from callgate.control.settings import ControlListenerSettings
from callgate.model import Json
from callgate.ports import StoreError
from callgate.protocol.jsonrpc import encode
from fakes.asgi import ask, asked
from fakes.operators import some_views
from fakes.pdp import TOOLS, a_pdp, posted

ALICE = {"type": "user", "id": "alice"}
RECORD = {"type": "record", "id": "record-1"}
READ, WRITE = {"name": "read"}, {"name": "write"}
HARD = {"name": "delete", "properties": {"soft": False}}
REQUEST = {"subject": ALICE, "action": READ, "resource": RECORD}
DENIED = {"action": HARD}
PATHS = ("evaluation", "evaluations", "search/subject", "search/resource", "search/action")


def batch(semantic: str | None, *evaluations: Json) -> Json:
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic, "x": 1}}
    return {"subject": ALICE, "resource": RECORD, **options, "evaluations": list(evaluations)}


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        (None, [True, False, True]),
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_a_batch_ends_where_its_semantic_says(semantic: str | None, decisions: list[bool]) -> None:
    body = batch(semantic, {"action": READ}, DENIED, {"action": WRITE})

    answered = posted(a_pdp(), "/access/v1/evaluations", body).json

    assert [one["decision"] for one in answered["evaluations"]] == decisions


@pytest.mark.parametrize("faulty", [{}, {"action": 1}, "read", None, {"action": {"name": "x"}}])
def test_a_fault_in_one_of_a_batch_refuses_that_one_and_counts_as_a_denial(faulty: Json) -> None:
    def decisions(semantic: str) -> list[bool]:
        body = batch(semantic, faulty, {"action": READ})
        answered = posted(a_pdp(), "/access/v1/evaluations", body).json
        assert "error" in answered["evaluations"][0]["context"]
        return [one["decision"] for one in answered["evaluations"]]

    assert decisions("execute_all") == [False, True]
    assert decisions("deny_on_first_deny") == [False]
    assert decisions("permit_on_first_permit") == [False, True]


@pytest.mark.parametrize(
    "more",
    [
        {"options": {"evaluations_semantic": "first"}},
        {"options": {"evaluations_semantic": None}},
        {"options": []},
        {"subject": "alice"},
        {"context": []},
        {"evaluations": {}},
        {"evaluations": "x"},
        {"evaluations": None},
        {"evaluations": [{}] * (MOST_EVALUATIONS + 1)},
    ],
)
def test_a_batch_that_is_wrong_as_a_whole_is_a_bad_request(more: dict[str, Json]) -> None:
    body = {**batch(None, {"action": READ}), **more}

    assert posted(a_pdp(), "/access/v1/evaluations", body).status == 400


def test_the_largest_batch_is_answered_whole() -> None:
    body = batch(None, *[{"action": READ}] * MOST_EVALUATIONS)

    answered = posted(a_pdp(), "/access/v1/evaluations", body).json

    assert len(answered["evaluations"]) == MOST_EVALUATIONS


def test_every_decision_is_counted() -> None:
    counted: Counter[tuple[str, bool]] = Counter()

    def count(api: str, is_permitted: bool, number: int) -> None:
        counted[api, is_permitted] += number

    pdp = a_pdp(count_evaluations=count)
    posted(pdp, "/access/v1/evaluation", REQUEST)
    posted(pdp, "/access/v1/evaluation", {**REQUEST, "action": HARD})
    posted(pdp, "/access/v1/evaluation", {"subject": ALICE})
    posted(pdp, "/access/v1/evaluations", batch(None, {"action": READ}, {}, DENIED))
    posted(pdp, "/access/v1/search/action", {"subject": ALICE, "resource": RECORD})

    assert counted == {
        ("evaluation", True): 1,
        ("evaluation", False): 1,
        ("evaluations", True): 1,
        ("evaluations", False): 2,
        ("search", True): 2,
        ("search", False): len(TOOLS) - 2,
    }


def test_a_record_that_cannot_be_read_is_said() -> None:
    def principals() -> tuple[()]:
        raise StoreError("disk full")

    body = {"subject": {"type": "user"}, "action": READ, "resource": RECORD}
    answered = posted(a_pdp(principals=principals), "/access/v1/search/subject", body)

    assert (answered.status, answered.json["detail"]) == (
        503,
        "The record cannot be read now: disk full",
    )


@pytest.mark.parametrize("path", PATHS)
def test_before_a_policy_set_is_in_force_nothing_is_decided(path: str) -> None:
    body = {**REQUEST, "evaluations": [REQUEST]}

    assert posted(a_pdp(gateway=lambda: None), f"/access/v1/{path}", body).status == 503


def test_a_configured_url_is_what_the_metadata_say() -> None:
    settings = ControlListenerSettings(public_url="https://pdp.example.com/callgate/")

    answered = ask(ControlEndpoint(some_views(), settings), "/.well-known/authzen-configuration")

    base = "https://pdp.example.com/callgate"
    assert answered.json["policy_decision_point"] == base
    assert answered.json["search_action_endpoint"] == f"{base}/access/v1/search/action"


def nested(depth: int) -> bytes:
    return b'{"subject":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"subject":{"type":"user","id":"eve","id":"alice"},'
        b'"action":{"name":"read"},"resource":{"type":"record","id":"record-1"}}',
        encode(REQUEST).replace(b'"read"', b'"read","properties":{"n":NaN}'),
        encode(REQUEST).replace(b'"read"', b'"read","properties":{"n":1e999}'),
        encode(REQUEST).replace(b'"read"', b'"read","properties":{"n":9007199254740993}'),
        encode(REQUEST).replace(b'"alice"', b'"\\ud800"'),
        encode(REQUEST).replace(b'"alice"', b'"ali\\u0000ce"'),
        encode(REQUEST).replace(b'"alice"', b'"\xff"'),
        encode(REQUEST) + encode(REQUEST),
        nested(70),
        nested(100_000),
        b"[" * 500_000,
        b'"' + b"\\" * 500_001,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_could_be_read_in_two_ways_is_refused(path: str, body: bytes) -> None:
    pdp = a_pdp()

    assert posted(pdp, f"/access/v1/{path}", body).status == 400
    assert posted(pdp, "/access/v1/evaluation", REQUEST).json["decision"] is True


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_too_large_is_refused(path: str) -> None:
    body = encode({**REQUEST, "more": "x" * (1 << 20)})

    assert posted(a_pdp(), f"/access/v1/{path}", body).status == 413


_KEYS = st.sampled_from(
    ["subject", "action", "resource", "context", "type", "id", "name", "properties", "page",
     "token", "limit", "evaluations", "options", "evaluations_semantic", "groups", "agent", "time",
     "enriched", "soft", "status", "__entity", "__extn"]
)  # fmt: skip
_TEXTS = st.sampled_from(
    ["user", "anonymous", "alice", "bob", "tool", "gateway", "mcp_server", "record", "record-1",
     "main", "read", "write", "delete", "tools/call", "tools/list", "record___read", "___", ""]
)  # fmt: skip
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _TEXTS | st.none() | st.booleans() | st.integers(-1, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
_ENTITY = st.fixed_dictionaries(
    {"type": _TEXTS | _VALUES, "id": _TEXTS | _VALUES, "name": _TEXTS | _VALUES},
    optional={"properties": _VALUES},
)
_BODIES = _VALUES | st.fixed_dictionaries(
    {"subject": _ENTITY | _VALUES, "action": _ENTITY, "resource": _ENTITY},
    optional={"context": _VALUES, "page": _VALUES, "evaluations": _VALUES, "options": _VALUES},
)
_PDP = a_pdp()
_MAY = frozenset({"alice", "bob"})


@given(path=st.sampled_from(PATHS), body=_BODIES)
def test_whatever_is_asked_is_answered_or_refused_and_true_only_for_who_may(
    path: str, body: Any
) -> None:
    answered = posted(_PDP, f"/access/v1/{path}", body)

    assert answered.status in (200, 400)
    if path == "evaluation" and answered.status == 200 and answered.json["decision"]:
        is_list = str(body["action"]["name"]).endswith("/list")
        assert body["subject"]["id"] in _MAY or is_list


@given(body=st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    assert posted(_PDP, "/access/v1/evaluation", body).status == 400


def test_calls_have_their_turn_while_a_large_batch_is_decided() -> None:
    """The batch yields: what waits on the loop goes on before the batch has ended."""
    done: list[str] = []

    async def batch_of_many() -> None:
        body = encode(batch(None, *[{"action": READ}] * 500))
        headers = (("host", "localhost"), ("content-type", "application/json"))
        await asked(_PDP, "/access/v1/evaluations", method="POST", headers=headers, body=body)
        done.append("batch")

    async def call() -> None:
        await asyncio.sleep(0)
        done.append("call")

    async def both() -> None:
        await asyncio.gather(batch_of_many(), call())

    asyncio.run(both())
    assert done == ["call", "batch"]
