"""Files of `NAME=value` lines: where `callgate init` puts secrets, and what `--env-file` reads."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class EnvFileError(Exception):
    """The file cannot be used; the message says where and why, without its values."""


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in a file. `#` comments, `export` and shell quotes are understood; nothing is
    substituted or executed. Raises EnvFileError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise EnvFileError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise EnvFileError(f"{path} is not UTF-8 text") from None
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            raise EnvFileError(f"{path}:{number}: not of the form NAME=value")
        variables[match[1]] = _value(match[2], f"{path}:{number}")
    return variables


def env_file_text(variables: Mapping[str, str]) -> str:
    """The lines of a file that a POSIX shell and `read_env_file` read alike."""
    quoted = {name: shlex.quote(value) if value else "" for name, value in variables.items()}
    return "".join(f"{name}={value}\n" for name, value in quoted.items())


def _value(text: str, where: str) -> str:
    if text[:1] not in ("'", '"'):
        return text.split(" #", 1)[0].rstrip()
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        raise EnvFileError(f"{where}: a quote is not closed") from None
    if len(words) != 1:
        raise EnvFileError(f"{where}: quote the whole value")
    return words[0]
