"""/healthz and /readyz."""

from __future__ import annotations

from fakes.gateway import a_gateway
from fakes.operators import a_status, get
from fakes.store import FakeCallStore

UP, DOWN = a_status("up"), a_status("down", is_ready=False, detail="password is wrong")


def test_a_process_that_answers_is_alive_whatever_else_is_wrong() -> None:
    answered = get(
        "/healthz", gateway=lambda: None, targets=lambda: (DOWN,), is_stopping=lambda: True
    )

    assert (answered.status, answered.json) == (200, {"status": "alive"})


def test_a_gateway_in_good_health_is_ready() -> None:
    answered = get("/readyz")

    assert answered.status == 200
    assert answered.json == {"is_ready": True, "not_ready": [], "targets_down": []}


def test_without_policies_it_is_not_ready() -> None:
    answered = get("/readyz", gateway=lambda: None)

    assert answered.status == 503
    assert answered.json["not_ready"] == ["policies", "record"]


def test_while_the_record_cannot_be_written_it_is_not_ready() -> None:
    store = FakeCallStore()
    gateway = a_gateway(store=store)

    store.fail()
    assert get("/readyz", gateway=lambda: gateway).json["not_ready"] == ["record"]

    store.mend()
    assert get("/readyz", gateway=lambda: gateway).status == 200


def test_while_it_stops_it_is_not_ready() -> None:
    answered = get("/readyz", is_stopping=lambda: True)

    assert (answered.status, answered.json["not_ready"]) == (503, ["running"])


def test_a_target_that_is_down_is_named_without_details_and_changes_nothing() -> None:
    answered = get("/readyz", targets=lambda: (UP, DOWN))

    assert answered.status == 200
    assert answered.json == {"is_ready": True, "not_ready": [], "targets_down": ["down"]}
    assert b"password" not in answered.body


def test_where_all_targets_are_down_it_is_not_ready() -> None:
    answered = get("/readyz", targets=lambda: (DOWN,))

    assert answered.status == 503
    assert answered.json == {"is_ready": False, "not_ready": ["targets"], "targets_down": ["down"]}


def test_without_any_target_it_is_ready() -> None:
    assert get("/readyz", targets=lambda: ()).status == 200
