"""`callgate policy`: one file per command, assembled here."""

from __future__ import annotations

import click

from callgate.cli.lazily import Commands


@click.group(
    commands=Commands(
        {
            "check": "callgate.cli.policy.check:check",
            "test": "callgate.cli.policy.test:test",
            "try": "callgate.cli.policy.attempt:attempt",
            "diff": "callgate.cli.policy.diff:diff",
            "fmt": "callgate.cli.policy.fmt:fmt",
            "who-can": "callgate.cli.policy.who_can:who_can",
            "what-can": "callgate.cli.policy.what_can:what_can",
            "tools": "callgate.cli.policy.tools:tools",
            "shadow-report": "callgate.cli.policy.shadow_report:shadow_report",
            "draft": "callgate.cli.policy.draft:draft",
            "promote": "callgate.cli.policy.promote:promote",
            "versions": "callgate.cli.policy.versions:versions",
            "rollback": "callgate.cli.policy.versions:rollback",
        }
    )
)
def policy() -> None:
    """Work on policies."""
