"""`callgate policy`: one file per command, assembled here."""

from __future__ import annotations

import click

from callgate.cli.policy.attempt import attempt
from callgate.cli.policy.check import check
from callgate.cli.policy.diff import diff
from callgate.cli.policy.draft import draft
from callgate.cli.policy.fmt import fmt
from callgate.cli.policy.promote import promote
from callgate.cli.policy.shadow_report import shadow_report
from callgate.cli.policy.test import test
from callgate.cli.policy.tools import tools
from callgate.cli.policy.versions import rollback, versions
from callgate.cli.policy.what_can import what_can
from callgate.cli.policy.who_can import who_can


@click.group()
def policy() -> None:
    """Work on policies."""


for command in (check, test, attempt, diff, fmt, who_can, what_can, tools, shadow_report, draft,
                promote, versions, rollback):  # fmt: skip
    policy.add_command(command)
