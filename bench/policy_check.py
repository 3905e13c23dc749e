"""Times what `callgate policy check` does with 500 policies over 100 tools. A program."""

from __future__ import annotations

import json
import time

import policy_world
from policy_world import ENRICHMENTS, NAMES, World

from callgate.authoring.analysing import analyse
from callgate.policy.analysis.findings import Subject
from callgate.policy.source import read_policies
from callgate.policy.validation import findings

POLICIES = 500
TARGETS = 5  # of 20 tools each


def main() -> None:
    world = World(TARGETS)
    texts = policy_world.files(world.rules(POLICIES))
    begun = time.perf_counter()
    policies = read_policies(texts)
    read = time.perf_counter()
    listed = dict.fromkeys(world.by_target, True)
    misfits = findings(NAMES, policies, world.tools, ENRICHMENTS, listed)
    validated = time.perf_counter()
    subject = Subject(policies=policies, tools=world.tools, names=NAMES, enrichments=ENRICHMENTS)
    report = analyse(subject)
    ended = time.perf_counter()
    print(
        json.dumps(
            {
                "policies": len(policies),
                "tools": len(world.tools),
                "read_seconds": read - begun,
                "validate_seconds": validated - read,
                "analyse_seconds": ended - validated,
                "seconds": ended - begun,
                "misfits": len(misfits),
                "findings": len(report.findings),
                "undecided": len(report.undecided),
                "queries": report.queries,
            }
        )
    )


if __name__ == "__main__":
    main()
