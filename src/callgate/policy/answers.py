"""Cedar's answer, read: the verdict, and what it rests on, in words."""

from __future__ import annotations

import re

import msgspec

from callgate.model import Verdict
from callgate.policy.source import Policy

NO_PERMIT = "no policy permits this call"

_ERROR_ID = re.compile(r"`([^`]*)`")


class _Diagnostics(msgspec.Struct):
    reason: list[str]
    errors: list[str]


class _Answer(msgspec.Struct):
    decision: str  # Allow | Deny | NoDecision
    diagnostics: _Diagnostics


_read = msgspec.json.Decoder(_Answer).decode


def verdict_of(raw: str, policies: tuple[Policy, ...], version: str) -> Verdict:
    """The verdict of an answer. An error in any policy refuses, whatever the others say."""
    answer = _read(raw)
    reasons = tuple(sorted(answer.diagnostics.reason))
    errors = tuple(sorted(answer.diagnostics.errors))
    is_permitted = answer.decision == "Allow" and not errors
    return Verdict(
        is_permitted=is_permitted,
        policies=reasons,
        errors=errors,
        reason=_reason(answer.decision, reasons, errors),
        advice=None if is_permitted else _advice(policies, reasons),
        version=version,
    )


def _reason(decision: str, reasons: tuple[str, ...], errors: tuple[str, ...]) -> str:
    if errors:
        names = sorted({match[1] for error in errors if (match := _ERROR_ID.search(error))})
        return f"evaluation failed in {', '.join(names) or 'the request'}; a failing policy refuses"
    if decision == "Allow":
        return f"permitted by {', '.join(reasons)}"
    return f"forbidden by {', '.join(reasons)}" if reasons else NO_PERMIT


def _advice(policies: tuple[Policy, ...], reasons: tuple[str, ...]) -> str | None:
    advice = [p.advice for p in policies if p.id in reasons and p.effect == "forbid" and p.advice]
    return " ".join(advice) or None
