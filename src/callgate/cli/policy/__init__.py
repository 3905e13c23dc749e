"""`callgate policy`: one file per command, assembled here."""

from __future__ import annotations

import click

from callgate.cli.policy.check import check


@click.group()
def policy() -> None:
    """Work on policies."""


for command in (check,):
    policy.add_command(command)
