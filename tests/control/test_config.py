"""/api/v1/config and /api/v1/reload."""

from __future__ import annotations

import msgspec

from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.control.views import ConfigStatus
from fakes.asgi import Answered, ask
from fakes.operators import STATUS, get, some_views

SHOWN = {
    "file": "/srv/callgate.yaml",
    "sha256": "d" * 64,
    "loaded_at": "2026-09-21T14:13:20.000000Z",
    "reload_error": None,
}
BROKEN = msgspec.structs.replace(STATUS, reload_error="callgate.yaml:3:1: nope")


def reload(status: ConfigStatus) -> Answered:
    async def reload() -> ConfigStatus:
        return status

    views = some_views(reload=reload)
    return ask(ControlEndpoint(views, ControlListenerSettings()), "/api/v1/reload", method="POST")


def test_the_configuration_in_force_is_told_by_its_digest() -> None:
    assert get("/api/v1/config").json == SHOWN


def test_why_the_last_reload_failed_is_told() -> None:
    told = get("/api/v1/config", config=lambda: BROKEN).json

    assert told == {**SHOWN, "reload_error": "callgate.yaml:3:1: nope"}


def test_a_reload_answers_with_what_is_in_force_then() -> None:
    answered = reload(STATUS)

    assert (answered.status, answered.json) == (200, SHOWN)


def test_a_reload_of_something_unusable_says_why_and_what_stays_in_force() -> None:
    answered = reload(BROKEN)

    assert answered.status == 422
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json["detail"] == "callgate.yaml:3:1: nope"
    assert answered.json["config"]["sha256"] == "d" * 64


def test_a_reload_is_not_something_that_a_link_can_do() -> None:
    assert get("/api/v1/reload").status == 405
