"""Makes one cached virtual environment per peer, with pinned packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """`overrides` replace what a package asks for; each needs a reason where it is written."""

    name: str
    packages: Sequence[str]
    overrides: Sequence[str] = ()
    python: str = sys.executable

    def root(self, venvs: Path) -> Path:
        return venvs / self.name

    def program(self, venvs: Path, name: str) -> Path:
        return self.root(venvs) / "bin" / name


def prepare(environment: Environment, venvs: Path) -> str:
    """Returns the pinned packages as text. Raises CalledProcessError if they cannot be had."""
    root = environment.root(venvs)
    wanted = "\n".join([*environment.packages, *environment.overrides])
    stamp = root / "bench-packages.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([environment.python, "-m", "venv", root], check=True)
        install(environment, venvs)
        stamp.write_text(wanted)
    return ", ".join(package.replace("==", " ") for package in environment.packages)


def install(environment: Environment, venvs: Path) -> None:
    # `make` puts uv beside this Python, which need not be on the path.
    uv = shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)
    python = environment.program(venvs, "python")
    if uv is None:
        words: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
    else:
        overrides = environment.root(venvs) / "overrides.txt"
        overrides.write_text("\n".join(environment.overrides))
        words = [uv, "pip", "install", "--quiet", "--python", python, "--override", overrides]
    subprocess.run([*words, *environment.packages], check=True)
