"""A period's report has its runs, its refusals, its verdicts and what changed."""

from msgspec.structs import replace

from callgate.review.finding import Finding, Severity, at
from callgate.review.report.period import MOST_RUNS, period_report
from callgate.review.reviewed import Happening, Reviewed, RunFinding
from callgate.review.verdicts import Judgement, ReviewVerdict
from fakes.pages import HOSTILE, read
from fakes.steps import a_step, refused, run_of

STEPS = run_of(
    a_step("crm___get", run="r1" + "0" * 27),
    refused("shop___refund", run="r2", reason="Too much.", decision={"policies": ["large"]}),
    a_step("x___y", run=None, principal="eve"),
)


def test_runs_refusals_verdicts_and_changes_are_in_it() -> None:
    found = Reviewed(
        run="Calls of a week",
        steps=STEPS,
        flows=(),
        findings=(),
        verdicts={"c2": ReviewVerdict(about="c2", verdict=Judgement.JUSTIFIED, author="ada", at="2026-09-21T14:13:20Z")},
        happenings=(Happening(at=STEPS[0].received_at, what="x", sentence="The gateway started."),),
    )  # fmt: skip
    text = read(period_report(found)).text

    for said in ("Calls of a week", "2 principals, 3 runs", "r1000000000000…", "no run", "Too much.", "large", "justified", "The gateway started."):  # fmt: skip
        assert said in text, said


def test_a_time_without_calls_and_one_with_too_many() -> None:
    nothing = Reviewed(run="x", steps=(), flows=(), findings=())
    many = run_of(*(a_step("a___b", run=f"r{n}") for n in range(MOST_RUNS + 5)))
    much = replace(nothing, steps=many)

    assert "No call was recorded" in read(period_report(nothing)).text
    text = read(period_report(much)).text
    assert "5 earlier runs are left out." in text
    assert "None." in text


def test_hostile_texts_stay_texts() -> None:
    bad = refused(HOSTILE, run=HOSTILE, reason=HOSTILE, principal=HOSTILE, decision={"policies": [HOSTILE]})  # fmt: skip

    page = period_report(Reviewed(run=HOSTILE, steps=run_of(bad), flows=(), findings=()))
    assert "script" not in read(page).tags


def test_findings_of_runs_are_told_the_gravest_first() -> None:
    def one(severity: Severity, sentence: str) -> RunFinding:
        made = Finding(rule="x", severity=severity, sentence=sentence, places=(at(STEPS[0]),))
        return RunFinding(run="r1" + "0" * 27, finding=made)

    found = Reviewed(
        run="x",
        steps=STEPS,
        flows=(),
        findings=(),
        of_runs=(
            one(Severity.NOTICE, "Look."),
            one(Severity.WARNING, f"First {HOSTILE}"),
            one(Severity.NOTE, "Know."),
        ),
        runs_left=4,
    )
    text = read(period_report(found)).text

    assert text.index("First") < text.index("Look.")
    assert "Know." not in text
    assert "4 earlier runs were not looked into." in text
    assert "1 more findings" in text
