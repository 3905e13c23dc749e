"""Outcomes, made from as little as a test wants to say."""

from __future__ import annotations

from typing import Any

from callgate.model import Outcome, Ran, Refused, Reply, Verdict
from fakes.calls import a_call, a_principal, a_tool

SECONDS = {
    "identify": 0.001,
    "resolve": 0.002,
    "admit": 0.003,
    "intercept_request": 0.004,
    "authorize": 0.005,
    "record_intent": 0.006,
    "forward": 0.25,
    "intercept_response": 0.007,
}


def ended(code: str | None = None, *, last: str = "intercept_response", **more: Any) -> Outcome:
    """A call that ran through the stages up to `last`; refused there, where there is a code."""
    names = list(SECONDS)
    ran = names[: names.index(last) + 1]
    settings: dict[str, Any] = {
        "principal": a_principal("ada", agent="helper"),
        "tool": a_tool(),
        "verdict": Verdict(is_permitted=True, policies=("p1", "p2")),
        "reply": Reply(body=b'{"content":[]}') if "intercept_response" in ran else None,
        "ran": Ran.YES if "intercept_response" in ran else Ran.NO,
        **more,
    }
    return Outcome(
        call=a_call(**settings),
        timings={name: SECONDS[name] for name in ran},
        refusal_code=code,
        is_delivered=code is None,
    )


def refused_before_the_stages(code: str, **more: Any) -> Outcome:
    """As `record_refusal` makes it."""
    refused = Refused(code, "No.")
    return Outcome(call=a_call(**more), refusal_code=refused.code)
