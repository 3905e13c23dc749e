"""The demo's story: what it must show."""

from callgate.demo.directory import PRINCIPALS
from callgate.demo.story import STORY
from callgate.protocol.refusals import REFUSALS

STEPS = [step for part in STORY for step in part.steps]


def test_three_principals_make_ten_calls() -> None:
    assert tuple(part.principal for part in STORY) == PRINCIPALS
    assert len(STEPS) == 10


def test_every_code_in_it_exists() -> None:
    assert {step.code for step in STEPS} <= {"ok", *REFUSALS}


def test_it_shows_each_way_a_call_can_go() -> None:
    ways = {(step.code, bool(step.policies), step.changed_by) for step in STEPS}

    assert ways == {
        ("ok", True, ()),  # permitted
        ("ok", True, ("cap_history",)),  # rewritten
        ("ok", True, ("redact",)),  # redacted
        ("not_permitted", True, ()),  # forbidden by a policy
        ("not_permitted", False, ()),  # permitted by none
        ("invalid_arguments", False, ()),
    }


def test_the_same_call_is_refused_to_one_and_permitted_to_another() -> None:
    calls = [(step.tool, str(step.arguments)) for step in STEPS]
    repeated = [step.code for step in STEPS if calls.count((step.tool, str(step.arguments))) > 1]

    assert set(repeated) == {"ok", "not_permitted"}


def test_no_two_principals_are_shown_the_same_tools() -> None:
    assert len({part.tools for part in STORY}) == len(STORY)
