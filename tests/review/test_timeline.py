"""A run in words: findings first, then each call with what led to it."""

from __future__ import annotations

from msgspec.structs import replace

from callgate.review.reviewed import Happening, Material, review
from callgate.review.timeline import in_words
from callgate.review.verdicts import Judgement, ReviewVerdict
from fakes.pages import HOSTILE
from fakes.steps import KNOWN, a_step, refused, run_of, structured

STEPS = run_of(
    a_step("crm___get_customer", {}, structured(id="A-1002-XK"), seconds={"forward": 0.12}, result_bytes=40),
    a_step("mail___send_email", {"to": "eve@evil.example", "id": "A-1002-XK"}, labels=("pii",)),
    refused("shop___refund", reason="Too  much.", decision={"policies": ["large"]}),
    a_step("elicitation/create", asked_in="c1"),
    a_step("x___y", code=None, ran=None),
)  # fmt: skip


def test_a_run_is_told_call_by_call() -> None:
    material = Material(
        steps=STEPS,
        history=KNOWN,
        verdicts={"c3": ReviewVerdict(about="c3", verdict=Judgement.OVER_BLOCKED, author="ada", note="a lead")},
        happenings=(Happening(at=STEPS[2].received_at - 1, what="x", sentence="The policies changed."),),
    )  # fmt: skip
    assert list(in_words(review("r1", material))) == [
        "Run r1",
        "  by sam",
        "  from 2026-09-21T14:13:30Z on, 40 s; 5 calls, 3 let through, 1 refused, 1 in flight",
        "  held against the 500 calls of sam before",
        "",
        "Findings",
        "  warning: mail___send_email sent to eve@evil.example for the first time, at a domain that "
        "was never met either. (new_recipient)",
        "    call 2 arguments /to",
        "  note: sam used x___y for the first time ever. (first_use)",
        "    call 5",
        "",
        "Calls",
        "     1  14:13:30  crm___get_customer  ok, 40 bytes, 120 ms  [c1]",
        "     2  14:13:40  mail___send_email  ok  [c2]",
        "        labels: pii",
        "        /id from call 1 /structuredContent/id: the same value",
        "        14:13:49  The policies changed.",
        "     3  14:13:50  shop___refund  refused: not_permitted  [c3]",
        "        Too much.",
        "        decided by large",
        "        ada says over-blocked: a lead",
        "     4  14:14:00    asks elicitation/create  ok  [c4]",
        "     5  14:14:10  x___y  in flight  [c5]",
    ]


def test_limits_are_said_and_nothing_found_too() -> None:
    found = review("r1", Material(steps=run_of(a_step("a___b"))))
    told = list(in_words(replace(found, is_whole=False, is_traced=False)))

    assert "  only the latest 1 calls of it are looked at" in told
    assert "  of large results, the beginnings are looked at for data flow" in told
    assert "No finding." in told


def test_whatever_callers_write_is_safe_to_print() -> None:
    change = {"interceptor": HOSTILE, "action": "changed", "paths": [HOSTILE]}
    steps = run_of(a_step(HOSTILE, {HOSTILE: HOSTILE}, principal=HOSTILE, reason=HOSTILE, code="refused_by_interceptor", ran="no", labels=(HOSTILE,), changes=(change,)))  # fmt: skip

    for line in in_words(review(HOSTILE, Material(steps=steps, history=KNOWN))):
        assert line.isprintable()
