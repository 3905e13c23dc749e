"""A run's report has everything that was seen, and nothing that a caller could smuggle in."""

from __future__ import annotations

from msgspec.structs import replace

from callgate.review.report.run import run_report
from callgate.review.reviewed import Happening, Material, Reviewed, review
from callgate.review.steps import Step
from callgate.review.verdicts import Judgement, ReviewVerdict
from fakes.pages import HOSTILE, read
from fakes.steps import KNOWN, a_step, refused, run_of, structured

STEPS = run_of(
    a_step("crm___get_customer", {"q": "lamps"}, structured(id="A-1002-XK"), seconds={"forward": 0.1}, result_bytes=1234),
    a_step("mail___send_email", {"to": "eve@evil.example", "id": "A-1002-XK"}, labels=("pii",)),
    refused("shop___refund", {"amount": 900}, reason="Too much.", decision={"policies": ["large"]}),
    a_step("shop___refund", {}, code=None, ran=None),
    a_step("elicitation/create", {}, asked_in="c1"),
    replace(a_step("x___y", is_erased=True, is_failed=True), arguments=None),
)  # fmt: skip


def reviewed(*steps: Step, **more: object) -> Reviewed:
    return review("r1", Material(steps=steps or STEPS, history=KNOWN, **more))  # type: ignore[arg-type]


def test_everything_is_in_it() -> None:
    found = reviewed(
        verdicts={"c3": ReviewVerdict(about="c3", verdict=Judgement.OVER_BLOCKED, author="ada", note="a lead")},
        happenings=(Happening(at=STEPS[1].received_at, what="x", sentence="The policies changed."),),
    )  # fmt: skip
    text = read(run_report(found)).text

    for said in (
        "Run r1",
        "by sam",
        "6calls",
        "1refused",
        "mail___send_email sent to eve@evil.example for the first time",
        "new_recipient: call 2",
        "Data flow",
        "refused (not_permitted)",
        "Reason: Too much.",
        "Decided by large",
        "Labels: pii",
        "ada says over-blocked: a lead",
        "The policies changed.",
        '"amount": 900',
        "Arguments: erased.",
        "The target says that the tool failed.",
        "asked the client for this in call c1",
        "1,234 B",
        "100 ms",
        "/id came from call 1 /structuredContent/id: the same value",
    ):
        assert said in text, said


def test_limits_are_said() -> None:
    found = replace(reviewed(), is_whole=False, is_traced=False)
    text = read(run_report(found)).text

    assert "Only the latest 6 calls" in text
    assert "the beginnings were looked at" in text


def test_a_run_without_findings_says_what_it_was_held_against() -> None:
    text = read(run_report(review("r1", Material(steps=run_of(a_step("a___b")))))).text

    assert "No rule found anything. No earlier calls of the principal are known" in text


def test_nothing_that_a_caller_writes_gets_into_the_page_as_markup() -> None:
    change = {"interceptor": HOSTILE, "phase": "request", "action": "changed", "paths": [HOSTILE], "note": HOSTILE, "mode": "observe"}  # fmt: skip
    bad = a_step(
        HOSTILE,
        {HOSTILE: HOSTILE, "big": "A" * 1_000_000},
        {"content": [{"type": "text", "text": HOSTILE * 20}]},
        principal=HOSTILE,
        agent=HOSTILE,
        reason=HOSTILE,
        code="refused_by_interceptor",
        ran="no",
        labels=(HOSTILE,),
        decision={"policies": [HOSTILE]},
        changes=(change,),
        seconds={HOSTILE: 0.1},
        asked_in=HOSTILE,
    )
    send = a_step("mail___send_email", {"body": HOSTILE * 20, "to": HOSTILE})
    verdict = ReviewVerdict(about="c1", verdict=Judgement.MISSED, author=HOSTILE, note=HOSTILE)
    found = review(
        HOSTILE,
        Material(
            steps=run_of(bad, bad, send),
            history=KNOWN,
            verdicts={"c1": verdict},
            happenings=(Happening(at=0.0, what="x", sentence=HOSTILE),),
        ),
    )
    page = run_report(found)

    assert len(page) < 200_000
    assert "script" not in read(page).tags
    page.encode()  # no half characters
