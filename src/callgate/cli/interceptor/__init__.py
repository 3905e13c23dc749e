"""`callgate interceptor`: one file per command, assembled here."""

from __future__ import annotations

import click

from callgate.cli.interceptor.new import new
from callgate.cli.interceptor.run import run


@click.group()
def interceptor() -> None:
    """Write interceptors, and try them on calls."""


for command in (new, run):
    interceptor.add_command(command)
