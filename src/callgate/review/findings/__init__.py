"""Rules that look at a run: one a file, each the same shape. A finding is a reason to look."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.review.finding import Finding, Rule, Scene, Severity
from callgate.review.findings import (
    definition_drift,
    enumeration,
    evidence_destroyed,
    first_use,
    near_limit,
    new_recipient,
    refusal_burst,
    retries_after_withholding,
    unusual_sink,
)

RULES: Mapping[str, Rule] = {
    "definition_drift": definition_drift.find,
    "enumeration": enumeration.find,
    "evidence_destroyed": evidence_destroyed.find,
    "first_use": first_use.find,
    "near_limit": near_limit.find,
    "new_recipient": new_recipient.find,
    "refusal_burst": refusal_burst.find,
    "retries_after_withholding": retries_after_withholding.find,
    "unusual_sink": unusual_sink.find,
}

SEVERITIES = (Severity.WARNING, Severity.NOTICE, Severity.NOTE)


def findings(scene: Scene) -> tuple[Finding, ...]:
    """What all rules find, the gravest first, then in the order of the calls."""
    found = [one for rule in RULES.values() for one in rule(scene)]
    found.sort(key=lambda one: (SEVERITIES.index(one.severity), one.places[0].step, one.rule))
    return tuple(found)
