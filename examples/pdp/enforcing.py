"""A service that asks before it acts: `python enforcing.py alice write record-1`."""

import json
import os
import sys
import urllib.request

CONTROL = os.environ.get("CALLGATE_CONTROL", "http://127.0.0.1:8081")
TOKEN = os.environ.get("CALLGATE_CONTROL_TOKEN")


def evaluate(body: dict) -> dict:
    """The decisions on one or more evaluations. Raises OSError where none could be had."""
    headers = {"Content-Type": "application/json"}
    if TOKEN:
        headers["Authorization"] = f"Bearer {TOKEN}"
    request = urllib.request.Request(
        f"{CONTROL}/access/v1/evaluations", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def permitted(subject: str, record: str, *actions: str) -> dict[str, bool]:
    """Which of the actions the subject may do to the record. Whatever goes wrong refuses all."""
    body = {
        "subject": {"type": "user", "id": subject},
        "resource": {"type": "record", "id": record},
        "evaluations": [{"action": {"name": action}} for action in actions],
    }
    try:
        decisions = [one["decision"] is True for one in evaluate(body)["evaluations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"no decision: {error}", file=sys.stderr)
        decisions = []
    # A list that is too short refuses what is missing.
    padded = [*decisions, *[False] * len(actions)]
    return dict(zip(actions, padded, strict=False))


if __name__ == "__main__":
    subject, action, record = sys.argv[1:4]
    if not permitted(subject, record, action)[action]:
        sys.exit(f"{subject} may not {action} {record}")
    print(f"{subject} may {action} {record}")
