"""A tool is used for the first time: said once, and only where a past is known."""

from callgate.review.finding import History, Severity
from fakes.steps import KNOWN, a_step, found_in, refused

STEPS = [a_step("crm___get_customer"), a_step("files___delete_file"), a_step("files___delete_file")]


def test_a_tool_that_was_never_used_before_is_told_once() -> None:
    (found,) = found_in("first_use", STEPS)

    assert found.severity is Severity.NOTICE
    assert found.sentence == "sam used files___delete_file for the first time ever."
    assert [place.step for place in found.places] == [2, 3]


def test_a_tool_that_reads_is_a_note_and_the_past_may_be_longer() -> None:
    known = History(calls=40, is_whole=False, tools=KNOWN.tools)
    (found,) = found_in("first_use", [a_step("crm___list_orders")], known)

    assert found.severity is Severity.NOTE
    assert found.sentence.endswith("in the 40 calls before.")


def test_known_tools_refused_ones_and_beginners_are_not() -> None:
    assert not found_in("first_use", [a_step("crm___get_customer")])
    assert not found_in("first_use", [refused("files___delete_file")])
    assert not found_in("first_use", STEPS, History(calls=3))
