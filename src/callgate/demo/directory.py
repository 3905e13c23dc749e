"""The demo's directory: configuration, policies, a hook, a shop, keys and a git repository."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from callgate.config.env_file import env_file_text, read_env_file
from callgate.config.placing import PRIVATE, PUBLIC, place
from callgate.config.schema import schema_text
from callgate.identity.api_keys import digest_of, new_key
from callgate.model import Value

TEMPLATE = Path(__file__).parent / "template"
FILES = {
    "callgate.yaml": PUBLIC,
    "policies/everyone.cedar": PUBLIC,
    "policies/shop.cedar": PUBLIC,
    "hooks.py": PUBLIC,
    "shop.py": PUBLIC,
    "call.sh": 0o755,
}
KEYS = "keys.env"
PRINCIPALS = ("ida", "sam", "lea")
PREFERRED_PORTS = (8080, 8081)
SERVERS = ("mcp-server-git", "mcp-server-time")
GIT_SECONDS = 20.0

COMMITS = (
    ("Welcome", "welcome.md", "# Welcome\n\nBe kind, write things down.\n"),
    ("Opening hours", "hours.md", "# Opening hours\n\nMonday to Friday, 9 to 17.\n"),
    ("Refunds", "refunds.md", "# Refunds\n\nUp to 100 euros: support. Above: a lead.\n"),
    ("Parcels", "parcels.md", "# Parcels\n\nLost after ten days.\n"),
    ("Privacy", "privacy.md", "# Privacy\n\nOnly a person deletes a customer.\n"),
)
AUTHOR, EMAIL = "Maya Okafor", "maya@shop.example"


class DirectoryError(Exception):
    """The directory cannot be used; the message says why and what to do."""


class Demo(Value):
    """A directory that the demo can run in."""

    path: Path
    keys: Mapping[str, str]  # principal → API key
    is_new: bool

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.path / "callgate.yaml"


def prepare(path: Path) -> Demo:
    """The demo's directory: made where there is none, else used as it is. Raises DirectoryError."""
    if (path / KEYS).is_file():
        return Demo(path=path, keys=_known_keys(path / KEYS), is_new=False)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DirectoryError(f"{path} is there already and is no demo: name another --directory")
    git, servers = _git_program(), _servers()
    keys = {principal: new_key() for principal in PRINCIPALS}
    try:
        _write_files(path, keys, servers)
        _make_repository(git, path / "handbook")
        # Last: whoever finds the keys finds everything else.
        variables = {_variable(principal): key for principal, key in keys.items()}
        place(path / KEYS, env_file_text(variables), PRIVATE)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)  # there was nothing in it before us
        raise
    return Demo(path=path, keys=keys, is_new=True)


def _write_files(path: Path, keys: Mapping[str, str], servers: Path) -> None:
    ports = map(str, free_ports())
    marks = {
        "@BIN@": json.dumps(str(servers))[1:-1],
        **{f"@{principal.upper()}@": digest_of(key) for principal, key in keys.items()},
        **dict(zip(("@AGENTS_PORT@", "@CONTROL_PORT@"), ports, strict=True)),
    }
    for name, mode in FILES.items():
        text = (TEMPLATE / name).read_text("utf-8")
        for mark, value in marks.items():
            text = text.replace(mark, value)
        place(path / name, text, mode)
    place(path / "callgate.schema.json", schema_text())
    place(path / ".gitignore", "*\n")  # keys: whatever repository this is in


def free_ports(preferred: tuple[int, ...] = PREFERRED_PORTS) -> tuple[int, ...]:
    """Ports on the loopback address that nobody listens on: the preferred ones, or any."""
    if all(map(_is_free, preferred)):
        return preferred
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in preferred]
    try:
        return tuple(probe.getsockname()[1] for probe in probes)
    finally:
        for probe in probes:
            probe.close()


def _is_free(port: int) -> bool:
    try:
        # As the gateway does it: a port that somebody has just left is free.
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _variable(principal: str) -> str:
    return f"{principal.upper()}_KEY"


def _known_keys(file: Path) -> dict[str, str]:
    variables = read_env_file(file)
    try:
        return {principal: variables[_variable(principal)] for principal in PRINCIPALS}
    except KeyError as missing:
        raise DirectoryError(
            f"{file} lacks {missing.args[0]}: remove {file.parent} to begin afresh"
        ) from None


def _servers() -> Path:
    """Where the MCP servers of the extra are: beside the interpreter that runs us."""
    place_of = Path(sys.executable).parent
    missing = [name for name in SERVERS if not (place_of / name).exists()]
    if missing:
        raise DirectoryError(
            f"{' and '.join(missing)} not found in {place_of}: pip install 'callgate[demo]'"
        )
    return place_of


def _git_program() -> str:
    git = shutil.which("git")
    if git is None:
        raise DirectoryError("the demo shows a git repository: install git")
    return git


def _make_repository(git: str, path: Path) -> None:
    path.mkdir(parents=True)
    _git(git, path, "init", "--quiet", "--initial-branch=main")
    for number, (subject, name, text) in enumerate(COMMITS, start=1):
        (path / name).write_text(text, "utf-8")
        _git(git, path, "add", name)
        _git(git, path, "commit", "--quiet", f"--message={subject}", day=number)


def _git(git: str, path: Path, *words: str, day: int = 1) -> None:
    """Runs git as if nobody had configured it: no signing, no hooks, no templates of a user."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": AUTHOR,
        "GIT_AUTHOR_EMAIL": EMAIL,
        "GIT_COMMITTER_NAME": AUTHOR,
        "GIT_COMMITTER_EMAIL": EMAIL,
        "GIT_AUTHOR_DATE": f"2026-11-{day:02}T10:00:00Z",
        "GIT_COMMITTER_DATE": f"2026-11-{day:02}T10:00:00Z",
    }
    try:
        subprocess.run(  # noqa: S603 - git, with words of our own
            [git, *words],
            cwd=path,
            env=environment,
            check=True,
            capture_output=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        raise DirectoryError(f"git {words[0]} failed: {said.decode(errors='replace')}") from None
