"""What the comparison of two runs of the suite calls worse, and what a baseline may say."""

from pathlib import Path

import pytest

from conformance.comparing import (
    Allowed,
    BaselineError,
    Difference,
    against_baseline,
    differences,
    failing,
    read_baseline,
)
from conformance.suite import Check, Results

CELL = "2026-07-28-to-legacy"
LINE = f"- {{cell: {CELL}, scenario: s, check: c, why: it cannot be said}}\n"


def results(*statuses: str, scenario: str = "s", check: str = "c") -> Results:
    return {scenario: tuple(Check(check, status) for status in statuses)}


def worse(direct: Results, through: Results) -> list[bool]:
    return [difference.is_worse for difference in differences(direct, through)]


@pytest.mark.parametrize(
    ("direct", "through"),
    [
        (["SUCCESS"], ["FAILURE"]),
        (["SUCCESS"], ["WARNING"]),
        (["SUCCESS"], ["SKIPPED"]),
        (["SUCCESS"], []),
        (["SUCCESS", "SUCCESS"], ["SUCCESS"]),
        (["SUCCESS"], ["SUCCESS", "FAILURE"]),
        ([], ["FAILURE"]),
        ([], ["WARNING"]),
        (["WARNING"], ["FAILURE"]),
    ],
)
def test_a_pass_that_is_lost_or_a_failure_that_is_new_is_worse(
    direct: list[str], through: list[str]
) -> None:
    assert worse(results(*direct), results(*through)) == [True]


@pytest.mark.parametrize(
    ("direct", "through"),
    [(["FAILURE"], ["SUCCESS"]), (["FAILURE"], ["WARNING"]), (["SUCCESS"], ["SUCCESS"] * 2)],
)
def test_what_is_better_differs_and_is_not_worse(direct: list[str], through: list[str]) -> None:
    assert worse(results(*direct), results(*through)) == [False]


def test_what_was_only_seen_or_left_out_is_no_difference() -> None:
    assert differences(results("INFO", "SUCCESS"), results("SUCCESS", "SKIPPED")) == []


def test_a_scenario_that_is_missing_loses_all_its_checks() -> None:
    assert worse(results("SUCCESS"), {}) == [True]


def test_a_required_scenario_fails_with_one_check_or_where_it_did_not_run() -> None:
    through = {**results("SUCCESS"), **results("SUCCESS", "FAILURE", scenario="t")}

    assert failing(through, {"s", "t", "u"}) == ["t", "u"]


def test_the_baseline_allows_one_check_of_one_cell(tmp_path: Path) -> None:
    allowed = read_baseline({CELL}, written(tmp_path, LINE))
    found = differences(results("SUCCESS"), results("FAILURE"))

    assert against_baseline(CELL, found, allowed) == ([], [])
    assert against_baseline("another", found, allowed) == (found, [])


def test_a_line_that_nothing_needs_any_more_is_stale() -> None:
    line = Allowed(CELL, "s", "c", "because")
    better = Difference("s", "c", (("FAILURE", 1),), (("SUCCESS", 1),), is_worse=False)

    assert against_baseline(CELL, [], [line]) == ([], [line])
    assert against_baseline(CELL, [better], [line]) == ([], [line])


@pytest.mark.parametrize(
    "text",
    [
        f"- {{cell: {CELL}, scenario: s, check: c}}",
        f"- {{cell: {CELL}, scenario: s, check: c, why: ' '}}",
        f"- {{cell: {CELL}, scenario: s, check: c, why: w, until: 2027}}",
        "- {cell: 2026-07-28, scenario: s, check: c, why: w}",
        LINE + LINE,
        "- only words",
    ],
)
def test_a_line_that_is_incomplete_unknown_or_there_twice_is_refused(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(BaselineError):
        read_baseline({CELL}, written(tmp_path, text))


def written(directory: Path, text: str) -> Path:
    path = directory / "baseline.yml"
    path.write_text(text)
    return path
