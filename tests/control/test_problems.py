"""Errors as RFC 9457 has them."""

from __future__ import annotations

from callgate.control.problems import Problem


def test_a_problem_says_what_the_rfc_asks_for_and_what_else_is_known() -> None:
    problem = Problem(422, "It does not fit.", config={"file": "x"})

    assert problem.body == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "It does not fit.",
        "config": {"file": "x"},
    }
