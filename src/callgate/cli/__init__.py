"""The command line: one file per command group, assembled here."""

from __future__ import annotations

import sys

import click

from callgate.cli.audit import audit
from callgate.cli.calls import calls
from callgate.cli.config import config_commands
from callgate.cli.demo import demo
from callgate.cli.explain import explain
from callgate.cli.export import export
from callgate.cli.init import init
from callgate.cli.interceptor import interceptor
from callgate.cli.key import key
from callgate.cli.policy import policy
from callgate.cli.replay import replay
from callgate.cli.report import report
from callgate.cli.review import review
from callgate.cli.run import run
from callgate.cli.stages import stages
from callgate.cli.usage import usage
from callgate.cli.wrap import wrap
from callgate.version import VERSION


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="callgate")
def commands() -> None:
    """The gateway through which every tool call of every agent passes."""


for command in (
    run,
    wrap,
    init,
    demo,
    policy,
    interceptor,
    calls,
    explain,
    review,
    usage,
    report,
    replay,
    export,
    audit,
    stages,
    key,
    config_commands,
):
    commands.add_command(command)


def main() -> None:
    """The `callgate` command."""
    sys.exit(commands(standalone_mode=True))
