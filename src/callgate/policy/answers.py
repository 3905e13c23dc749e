"""Cedar's answer, read: the verdict, and what it rests on, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from callgate.model import Value, Verdict
from callgate.policy.source import Policy

NO_PERMIT = "no policy permits this call"
MAX_OUTCOMES = 64  # of the same policies

_MEASURED = ',"metrics":'  # stands last, and differs with every answer
_ERROR_ID = re.compile(r"`([^`]*)`")


class _Diagnostics(msgspec.Struct):
    errors: list[str]
    reason: list[str] = []  # not said of a request that is not valid


class _Raw(msgspec.Struct):
    decision: str  # Allow | Deny | NoDecision
    diagnostics: _Diagnostics


_read = msgspec.json.Decoder(_Raw).decode


class Answer(Value):
    """What Cedar said: the decision, the determining policies, and those that failed."""

    decision: str  # Allow | Deny | NoDecision
    reasons: frozenset[str]
    failed: dict[str, str]  # policy id → Cedar's words; "" stands for the request itself


def answer_of(raw: str) -> Answer:
    """Cedar's answer as it came."""
    read = _read(raw)
    failed = {}
    for error in read.diagnostics.errors:
        named = _ERROR_ID.search(error)
        failed[named[1] if named is not None else ""] = error
    return Answer(decision=read.decision, reasons=frozenset(read.diagnostics.reason), failed=failed)


def verdict_of(raw: str, policies: Mapping[str, Policy], version: str) -> Verdict:
    """The verdict of an answer. An error in any policy refuses, whatever the others say."""
    answer = _read(raw)
    return _verdict(answer, tuple(sorted(answer.diagnostics.reason)), policies, version)


def _verdict(
    answer: _Raw, reasons: tuple[str, ...], policies: Mapping[str, Policy], version: str
) -> Verdict:
    errors = tuple(sorted(answer.diagnostics.errors))
    deciding = [policies[reason] for reason in reasons if reason in policies]
    is_permitted = answer.decision == "Allow" and not errors
    return Verdict(
        is_permitted=is_permitted,
        policies=reasons,
        places=tuple(policy.place for policy in deciding),
        errors=errors,
        reason=_reason(answer.decision, reasons, errors),
        advice=None if is_permitted else _advice(deciding),
        version=version,
    )


class Verdicts:
    """The verdicts of some policies. Answers that say the same are put into words once."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = policies
        self._known: dict[tuple[str, str, tuple[str, ...]], Verdict] = {}
        self._heard: dict[tuple[str, str], Verdict] = {}  # by the words of an answer

    def of(self, raw: str, version: str) -> Verdict:
        """As `verdict_of`."""
        words = (version, raw[: raw.rfind(_MEASURED)])  # all but the end where nothing is measured
        heard = self._heard.get(words)
        if heard is None:
            heard = self._read(raw, version)
            if len(self._heard) >= MAX_OUTCOMES:
                self._heard.clear()
            self._heard[words] = heard
        return heard

    def _read(self, raw: str, version: str) -> Verdict:
        answer = _read(raw)
        reasons = tuple(sorted(answer.diagnostics.reason))
        if answer.diagnostics.errors:
            return _verdict(answer, reasons, self._policies, version)
        outcome = (version, answer.decision, reasons)
        known = self._known.get(outcome)
        if known is None:
            if len(self._known) >= MAX_OUTCOMES:
                self._known.clear()
            known = _verdict(answer, reasons, self._policies, version)
            self._known[outcome] = known
        return known


def failing(verdict: Verdict) -> tuple[str, ...]:
    """Ids of the policies whose evaluation failed."""
    found = (_ERROR_ID.search(error) for error in verdict.errors)
    return tuple(sorted({match[1] for match in found if match is not None}))


def _reason(decision: str, reasons: tuple[str, ...], errors: tuple[str, ...]) -> str:
    if errors:
        names = sorted({match[1] for error in errors if (match := _ERROR_ID.search(error))})
        return f"evaluation failed in {', '.join(names) or 'the request'}; a failing policy refuses"
    if decision == "Allow":
        return f"permitted by {', '.join(reasons)}"
    return f"forbidden by {', '.join(reasons)}" if reasons else NO_PERMIT


def _advice(deciding: list[Policy]) -> str | None:
    advice = [policy.advice for policy in deciding if policy.effect == "forbid" and policy.advice]
    return " ".join(advice) or None
