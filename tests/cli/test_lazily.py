"""Commands are imported when they are asked for, and all are there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from callgate.cli import commands


def groups(group: click.Group) -> Iterator[click.Group]:
    yield group
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from groups(command)


def test_each_command_has_the_name_that_it_is_asked_for_by() -> None:
    for group in groups(commands):
        for name, command in group.commands.items():
            assert command.name == name


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        (["--version"], ("sqlalchemy", "pydantic", "cedarpy")),
        (["key", "--help"], ("sqlalchemy",)),
        (["run", "--help"], ("rich", "callgate.review.report", "callgate.authoring.drafting")),
        (["run", "--help"], ("psutil", "callgate.upstream.mcp_stdio")),
        (["run", "--help"], ("callgate.interceptors.mcp_server", "kingfisher_sdk", "alembic")),
        (["run", "--help"], ("callgate.interceptors.grpc_server",)),
        (["run", "--help"], ("callgate.interceptors.lambda_handler",)),
    ],
)
def test_a_command_pays_only_for_what_it_needs(words: list[str], unneeded: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "from callgate.cli import commands\n"
        f"commands({words!r}, standalone_mode=False)\n"
        f"print(sorted(set({unneeded!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_is_said_so() -> None:
    with pytest.raises(click.UsageError, match="No such command 'rnu'"):
        commands(["rnu"], standalone_mode=False)
