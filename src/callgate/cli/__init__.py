"""The command line: one file per command group, assembled here."""

from __future__ import annotations

import sys

import click

from callgate.cli.lazily import Commands
from callgate.version import VERSION


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    commands=Commands(
        {
            "run": "callgate.cli.run:run",
            "wrap": "callgate.cli.wrap:wrap",
            "init": "callgate.cli.init:init",
            "demo": "callgate.cli.demo:demo",
            "policy": "callgate.cli.policy:policy",
            "interceptor": "callgate.cli.interceptor:interceptor",
            "calls": "callgate.cli.calls:calls",
            "explain": "callgate.cli.explain:explain",
            "review": "callgate.cli.review:review",
            "usage": "callgate.cli.usage:usage",
            "report": "callgate.cli.report:report",
            "replay": "callgate.cli.replay:replay",
            "export": "callgate.cli.export:export",
            "audit": "callgate.cli.audit:audit",
            "stages": "callgate.cli.stages:stages",
            "key": "callgate.cli.key:key",
            "config": "callgate.cli.config:config_commands",
        }
    ),
)
@click.version_option(VERSION, prog_name="callgate")
def commands() -> None:
    """The gateway through which every tool call of every agent passes."""


def main() -> None:
    """The `callgate` command."""
    sys.exit(commands(standalone_mode=True))
