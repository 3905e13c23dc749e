"""`callgate interceptor new`: an interceptor to start from, with a test that passes."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path

import click

from callgate.cli.interceptor.starters import STARTERS, Starter
from callgate.cli.policy.grounds import shown_path

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(list(STARTERS)),
    default="python",
    show_default=True,
    help="A function here, a Lambda-style handler, or a server of yours that is asked over HTTP.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to write it.  [default: here]",
)
def new(name: str, kind: str, directory: Path) -> None:
    """Write an interceptor called NAME and its test; print its settings.

    Nothing that is there is overwritten.
    """
    _check(name, directory)
    starter = STARTERS[kind]
    texts = {
        directory / f"{name}.py": starter.code.replace("NAME", name),
        directory / f"test_{name}.py": starter.test.replace("NAME", name),
    }
    for file in texts:
        if file.exists():
            raise click.ClickException(f"{shown_path(file)} is there already; choose another name")
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
        click.echo(f"wrote {shown_path(file)}")
    file, test = texts
    click.echo(f"\nIt passes its test:  pytest {shown_path(test)}")
    click.echo("It runs in the gateway with this in callgate.yaml, where it is before or after")
    click.echo("other interceptors as it stands there:\n")
    click.echo(_settings(starter, name, file))
    click.echo("On a call that was made:")
    click.echo(f"  callgate interceptor run {name} --call CALL_ID")


def _settings(starter: Starter, name: str, file: Path) -> str:
    relative = Path(shown_path(file))
    where = relative.with_suffix("").parts
    module = ".".join(where) if all(part.isidentifier() for part in where) else name
    own = starter.settings.replace("MODULE", module).replace("FILE", relative.as_posix())
    return f"interceptors:\n  - name: {name}\n{own.replace('NAME', name)}    on: [request]\n"


def _check(name: str, directory: Path) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise click.BadParameter(
            f"{name!r} is no name; use letters, digits and _, a letter first", param_hint="NAME"
        )
    is_taken = name in sys.stdlib_module_names or _origin(name) not in (None, directory.resolve())
    if is_taken:
        raise click.BadParameter(
            f"Python has a module {name} already; choose another name", param_hint="NAME"
        )


def _origin(module: str) -> Path | None:
    """The directory of an installed module of this name."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent
