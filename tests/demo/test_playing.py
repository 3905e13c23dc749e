"""The demo checks itself: what counts as a call that did not come out as told."""

from typing import Any

from callgate.demo.playing import differences
from callgate.demo.story import Step

STEP = Step(
    tool="git___git_show",
    arguments={"revision": "HEAD"},
    policies=("readers",),
    changed_by=("redact",),
    told="[redacted:email]",
    not_told="maya@",
)
ANSWER = "Author: [redacted:email]"


def a_record(**changed: Any) -> dict[str, Any]:
    return {
        "target": "git",
        "tool": "git_show",
        "name": "git___git_show",
        "code": "ok",
        "ran": "yes",
        "decision": {"policies": ["readers"]},
        "changes": [{"interceptor": "redact"}],
        **changed,
    }


def test_a_call_that_came_out_as_told_has_no_differences() -> None:
    assert differences(STEP, a_record(), ANSWER, is_error=False) == ()


def test_another_code_is_a_difference() -> None:
    found = differences(STEP, a_record(code="not_permitted"), ANSWER, is_error=False)

    assert found == ("its code is not_permitted, not ok",)


def test_other_policies_are_a_difference() -> None:
    found = differences(STEP, a_record(decision=None), ANSWER, is_error=False)

    assert found == ("the determining policies are none",)


def test_an_interceptor_that_did_nothing_is_a_difference() -> None:
    record = a_record(changes=None)

    assert differences(STEP, record, ANSWER, is_error=False) == ("it was changed by nobody",)


def test_the_record_of_another_tool_is_a_difference() -> None:
    found = differences(STEP, a_record(tool="git_log"), ANSWER, is_error=False)

    assert found == ("the record is about git___git_log",)


def test_a_refused_call_that_ran_is_a_difference() -> None:
    step = Step(tool="git___git_show", arguments={}, code="not_permitted")
    record = a_record(code="not_permitted", decision=None, changes=None, ran="yes")

    assert differences(step, record, "no", is_error=True) == ("whether the tool ran: yes",)


def test_an_agent_that_was_told_too_much_or_too_little_is_a_difference() -> None:
    found = differences(STEP, a_record(), "Author: maya@shop.example", is_error=False)

    assert found == (
        "the agent was not told '[redacted:email]'",
        "the agent was told 'maya@'",
    )


def test_an_error_where_none_was_told_is_a_difference() -> None:
    found = differences(STEP, a_record(), ANSWER, is_error=True)

    assert found == ("the agent was told an error",)
