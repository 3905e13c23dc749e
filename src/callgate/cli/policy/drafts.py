"""Where drafts of policies go: never where the gateway would read them, until a person says so."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from callgate.cli.policy.grounds import CannotSay, shown_path
from callgate.config import Config
from callgate.config.placing import place
from callgate.model import Value
from callgate.policy.source import ACTIVE, SHADOW
from callgate.sources.files import find, places


class Wanted(Value):
    """What is to become of a draft."""

    output: Path | None = None
    active: bool = False
    is_installed: bool = False

    @property
    def mode(self) -> str:
        """In which mode the policies are written."""
        return ACTIVE if self.active else SHADOW


def check_install(output: Path | None, *, is_piped: bool) -> None:
    """Raises UsageError or CannotSay where --install cannot be meant."""
    if output is None:
        raise click.UsageError("--install needs --output: the draft that is to be installed")
    if is_piped or not sys.stdin.isatty():
        raise CannotSay(
            "--install needs a person at a terminal; without one, leave it out, read the draft, "
            "and copy it to the policies yourself"
        )


def require_place(output: Path, config: Config | None) -> None:
    """Raises CannotSay unless a new file can be there that the gateway would not read."""
    if output.suffix != ".cedar":
        raise CannotSay(f"{output}: a draft is called something.cedar")
    for path in (output, cases_path(output)):
        if path.exists():
            raise CannotSay(f"{path} is there already; remove it or choose another name")
    if _would_be_read(output, config):
        raise CannotSay(
            f"the gateway would read {output} at once, before anybody has; write the draft "
            "somewhere else, and use --install"
        )


def _would_be_read(path: Path, config: Config | None) -> bool:
    """Whether the patterns of the configuration find a file there: tried with an empty one."""
    if config is None:
        return False
    made = [one for one in reversed((path.parent, *path.parent.parents)) if not one.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x"):
            pass
        return any(os.path.samefile(path, one) for one in find(_patterns(config), config.directory))
    finally:
        path.unlink(missing_ok=True)
        for one in reversed(made):
            with suppress(OSError):
                one.rmdir()


def _patterns(config: Config) -> tuple[str, ...]:
    return config.policies.files


def cases_path(output: Path) -> Path:
    """Where the cases of a draft are."""
    return output.with_suffix(".cases.yaml")


def write(output: Path, policies: str, cases: str | None, what: str) -> None:
    """The draft, and its cases beside it."""
    place(output, policies)
    click.echo(f"wrote {output}: {what}, not in force")
    if cases is not None:
        place(cases_path(output), cases)
        click.echo(f"wrote {cases_path(output)}")


def install(output: Path, config: Config | None, question: str) -> None:
    """Offers to copy the draft to where the gateway reads policies. `question` has {target}."""
    target = _target(output, config)
    if not click.confirm(question.format(target=target), default=False):
        click.echo("not installed")
        return
    place(target, output.read_text("utf-8"))
    click.echo(f"installed {target}; a running gateway reads it within seconds")


def _target(output: Path, config: Config | None) -> Path:
    """Where the gateway would read a file of this name. Raises CannotSay."""
    if config is not None:
        for directory in sorted(places(_patterns(config), config.directory)):
            target = directory / output.name
            if not target.exists() and _would_be_read(target, config):
                return Path(shown_path(target))
    raise CannotSay(
        f"no pattern of `policies.files` finds a new file called {output.name}; copy the draft to "
        "where your policies are kept"
    )
