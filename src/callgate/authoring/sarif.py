"""Issues as SARIF 2.1.0, which code review shows beside the lines (OASIS, sarif-v2.1.0)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from callgate.authoring.issues import RULES, Issue
from callgate.model import Json
from callgate.policy.analysis.findings import Undecided
from callgate.version import VERSION

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "callgatePolicyCheck/v1"


def sarif_text(
    issues: Sequence[Issue], undecided: Sequence[Undecided] = (), elsewhere: str | None = None
) -> str:
    """One run: a result an issue; what could not be decided is a notification.

    Code review takes no result without a file: `elsewhere` is the file for what is about tools.
    """
    rules = [rule for rule in RULES.values() if any(one.rule == rule.id for one in issues)]
    places = {rule.id: number for number, rule in enumerate(rules)}
    driver = {
        "name": "callgate policy check",
        "semanticVersion": VERSION,
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "help": {"text": rule.help},
            }
            for rule in rules
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(one) for one in undecided],
            }
        ],
        "results": [_result(one, places[one.rule], elsewhere) for one in issues],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _result(issue: Issue, rule: int, elsewhere: str | None) -> dict[str, Json]:
    message = issue.message if issue.policy is None else f"{issue.policy}: {issue.message}"
    if issue.example is not None:
        message += f"\nExample: {issue.example.sentence()}"
    result: dict[str, Json] = {
        "ruleId": issue.rule,
        "ruleIndex": rule,
        "level": issue.level.value,
        "message": {"text": message},
        "partialFingerprints": {FINGERPRINT: _fingerprint(issue)},
        "properties": _properties(issue),
    }
    file = issue.file or elsewhere
    if file is not None:
        result["locations"] = [_location(issue, file)]
    return result


def _location(issue: Issue, file: str) -> dict[str, Json]:
    physical: dict[str, Json] = {"artifactLocation": {"uri": quote(file)}}
    if issue.line is not None:
        physical["region"] = {"startLine": issue.line, "startColumn": issue.column or 1}
    return {"physicalLocation": physical}


def _properties(issue: Issue) -> dict[str, Json]:
    known: dict[str, Json] = {
        "policy": issue.policy,
        "tools": list(issue.tools),
        "agentcore": list(issue.aliases),
        "example": msgspec.to_builtins(issue.example),
    }
    return {name: value for name, value in known.items() if value}


def _fingerprint(issue: Issue) -> str:
    """The same while the issue is, wherever the policy moves in its file."""
    said = [issue.rule, issue.file, issue.policy, issue.message, list(issue.tools)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _notification(undecided: Undecided) -> dict[str, Json]:
    return {"level": "note", "message": {"text": f"{undecided.question} {undecided.reason}"}}
