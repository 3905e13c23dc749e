"""What the control API may see."""

from __future__ import annotations

import pytest

from callgate.control.problems import Problem
from fakes.gateway import a_gateway
from fakes.operators import some_views


def test_the_gateway_in_force_is_asked_for_each_time() -> None:
    gateways = [a_gateway(), a_gateway()]
    views = some_views(gateway=lambda: gateways[0])

    assert views.in_force() is gateways[0]
    gateways.reverse()
    assert views.in_force() is gateways[0]


def test_before_there_is_one_questions_about_it_are_to_be_asked_again() -> None:
    with pytest.raises(Problem, match="503: The gateway is still starting"):
        some_views(gateway=lambda: None).in_force()
