"""Verdicts are kept as events; the latest of a call holds."""

import pytest

from callgate.audit.record import content_of
from callgate.review.verdicts import (
    REVIEW_VERDICT,
    Judgement,
    ReviewVerdict,
    objection,
    verdict_entry,
    verdicts_of,
)

SAID = ReviewVerdict(about="c1", verdict=Judgement.MISSED, author="ada", run="r1", note="a leak")


def test_a_verdict_is_kept_as_an_event_and_read_again() -> None:
    entry = verdict_entry(SAID, 1_790_000_000.0)
    body = content_of(entry)

    assert (entry.kind, body["event"]) == ("event", REVIEW_VERDICT)
    (read,) = verdicts_of([body]).values()
    assert (read.about, read.verdict, read.author, read.run, read.note) == (
        "c1",
        Judgement.MISSED,
        "ada",
        "r1",
        "a leak",
    )
    assert read.at == "2026-09-21T14:13:20.000000Z"


def test_the_latest_of_a_call_holds_and_unknown_ones_are_left_out() -> None:
    one = {"about": "c1", "verdict": "missed", "at": "2026-01-01T00:00:00Z"}
    other = {"about": "c1", "verdict": "justified", "at": "2026-01-02T00:00:00Z"}
    strange = {"about": "c1", "verdict": "shrugged", "at": "2026-01-03T00:00:00Z"}

    (read,) = verdicts_of([strange, other, one]).values()
    assert read.verdict is Judgement.JUSTIFIED


@pytest.mark.parametrize(
    ("verdict", "code", "ran", "said"),
    [
        (Judgement.JUSTIFIED, "ok", "yes", ""),
        (Judgement.JUSTIFIED, None, None, "in flight"),
        (Judgement.OVER_BLOCKED, "not_permitted", "no", ""),
        (Judgement.OVER_BLOCKED, "result_withheld", "yes", ""),
        (Judgement.OVER_BLOCKED, "ok", "yes", "was let through"),
        (Judgement.MISSED, "ok", "yes", ""),
        (Judgement.MISSED, "result_withheld", "yes", ""),
        (Judgement.MISSED, "not_permitted", "no", "not let through"),
    ],
)
def test_a_verdict_must_make_sense_of_the_call(
    verdict: Judgement, code: str | None, ran: str | None, said: str
) -> None:
    found = objection(verdict, code, ran)

    assert said in found
    assert bool(found) is bool(said)
