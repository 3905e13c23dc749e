"""Whatever calls say of themselves, a report shows it and nothing else comes of it."""

from xml.etree import ElementTree

import pytest

from callgate.cli.policy.grounds import Chosen, grounds_on
from callgate.cli.replayed import FORMS, Report, report
from callgate.pipeline.replay import Rehearsed
from callgate.policy.cases import Ruling
from callgate.policy.simulated import Cause, Example, Kind, Simulated, Tally

HOSTILE = 'x\x1b[31m\n\u202e|<b>`*[a](http://evil) @team #1 "'


def a_report() -> Report:
    found = Simulated(decided=3, first_at=0.0, last_at=60.0)
    tally = Tally()
    tally.add(HOSTILE, "t", 0.0)
    tally.early = 1
    tally.examples.append(Example(call="c1", at=0.0, principal=HOSTILE, reason=HOSTILE))
    kind = Kind(
        before=Ruling.PERMIT,
        after=Ruling.REFUSE,
        causes=(Cause(what="forbids", policy=HOSTILE),),
        tool=HOSTILE,
    )
    found.flips[kind] = tally
    found.undecided[HOSTILE] = tally
    return Report(
        found=Rehearsed(simulated=found),
        grounds=grounds_on(Chosen(), None, ()),
        policies=(),
        against="recorded",
        is_checked=False,
        excess=("permit-to-refuse",),
        undecided=None,
    )


@pytest.mark.parametrize("form", FORMS)
def test_nothing_hidden_and_no_control_reaches_the_reader(form: str) -> None:
    text = report(a_report(), form)

    assert text.endswith("\n")
    assert "\x1b" not in text
    assert "\n\u202e" not in text
    if form != "json":  # which escapes what must be, and is read by programs
        assert "\u202e" not in text


def test_in_markdown_nothing_is_markup() -> None:
    lines = report(a_report(), "markdown").splitlines()
    (row,) = [line for line in lines if line.startswith("| permit")]

    assert row.count("|") == 7
    assert not {"<", ">", "`", "*", "[", "@"} & set(row)
    assert "://" not in row


def test_junit_is_xml_whatever_is_in_it() -> None:
    root = ElementTree.fromstring(report(a_report(), "junit"))

    assert root.get("failures") == "1"


def test_what_was_refused_before_interceptors_is_told_apart() -> None:
    assert "1 of them were refused before interceptors saw them" in report(a_report(), "text")
