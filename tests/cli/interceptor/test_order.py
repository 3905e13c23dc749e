"""Who is asked at which stage, in the order of the configuration."""

from typing import Any

import pytest

from callgate.cli.interceptor.order import WHERE, as_json, at, lines
from callgate.interceptors.settings import InterceptorSettings
from callgate.pipeline.attaching import POINTS
from callgate.pipeline.pipeline import STAGES


def one(name: str, *on: str, **more: Any) -> InterceptorSettings:
    return InterceptorSettings.model_validate(
        {"name": name, "python": "a:b", "on": set(on) or {"request"}, **more}
    )


def test_every_point_has_its_stage() -> None:
    assert set(WHERE) == set(POINTS)
    assert set(WHERE.values()) - {stage.__name__ for stage in STAGES} == {"lists"}


def test_the_order_is_that_of_the_configuration() -> None:
    chain = [one("a", "result"), one("b"), one("c", "request", "result", "error")]

    found = {stage: [(x.number, x.settings.name, x.points) for x in at(stage, chain)]
             for stage in ("intercept_request", "intercept_response", "forward", "lists")}  # fmt: skip
    assert found == {
        "intercept_request": [(2, "b", ("request",)), (3, "c", ("request",))],
        "intercept_response": [(1, "a", ("result",)), (3, "c", ("result", "error"))],
        "forward": [],
        "lists": [],
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "everything"),
        ({"tools": {"b___x", "a___x"}}, "a___x, b___x"),
        ({"targets": {"b", "a"}, "methods": {"tools/call"}}, "targets a, b; methods tools/call"),
    ],
)
def test_what_it_is_asked_about_is_said_in_words(settings: Any, words: str) -> None:
    (asked,) = at("intercept_request", [one("a", **settings)])

    assert asked.of == words
    assert list(lines([asked])) == [f"1.  a  python  request  {words}  5 s  on failure refuse"]
    assert as_json(asked)["number"] == 1
