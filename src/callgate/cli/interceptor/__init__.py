"""`callgate interceptor`: one file per command, assembled here."""

from __future__ import annotations

import click

from callgate.cli.lazily import Commands


@click.group(
    commands=Commands(
        {
            "new": "callgate.cli.interceptor.new:new",
            "run": "callgate.cli.interceptor.run:run",
        }
    )
)
def interceptor() -> None:
    """Write interceptors, and try them on calls."""
