"""One text of a client's configuration → ours: variables become references, secrets move out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from callgate.config.clients import Client
from callgate.config.references import escaped
from callgate.config.secrets import find_secrets, is_secret_name

_VARIABLE = re.compile(r"\$\{([^{}]+)\}")
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|ApiKey|Bot)\s+(?=\S)", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"(-{0,2}([A-Za-z][\w-]*)(?:=|:\s*))(.+)", re.DOTALL)
_PARAMETER = re.compile(r"[?&]([^=&#]+)=([^&#]+)")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ClientTexts:
    """Converts texts of one client, and collects the secrets found in them."""

    def __init__(
        self, client: Client, workspace: Path, environ: Mapping[str, str], home: Path
    ) -> None:
        self._client = client
        self._environ = environ
        self._fixed = {
            "userHome": str(home),
            "workspaceFolder": str(workspace),
            "workspaceFolderBasename": workspace.name,
            "pathSeparator": os.sep,
            "/": os.sep,
        }
        self.secrets: dict[str, str] = {}  # variable → value; empty: only a person knows it

    def value(self, text: str, target: str, field: str, *, is_secret: bool = False) -> str:
        """A text. A secret moves into a variable named after the target and the field."""
        pieces = list(self._pieces(text))
        if is_secret and text and not any(is_reference for is_reference, _ in pieces):
            scheme = _SCHEME.match(text)
            begin = scheme.end() if scheme else 0
            return escaped(text[:begin]) + self._moved(text[begin:], target, field)
        return "".join(
            piece if is_reference else self._without_secrets(piece, target, field)
            for is_reference, piece in pieces
        )

    def url(self, text: str, target: str) -> str:
        """A URL. A parameter whose name says so is a secret."""
        converted, position = "", 0
        for match in _PARAMETER.finditer(text):
            if is_secret_name(match[1]):
                converted += self.value(text[position : match.start(2)], target, "URL")
                converted += self.value(match[2], target, match[1], is_secret=True)
                position = match.end(2)
        return converted + self.value(text[position:], target, "URL")

    def arguments(self, texts: list[str], target: str) -> list[str]:
        """Command-line arguments: `--api-key X`, `--token=X`, `-e KEY=X`, `X-Api-Key: X`."""
        converted: list[str] = []
        flag = ""
        for text in texts:
            assignment = _ASSIGNMENT.fullmatch(text)
            if is_secret_name(flag) and not text.startswith("-"):
                converted.append(self.value(text, target, flag.strip("-"), is_secret=True))
            elif assignment and is_secret_name(assignment[2]):
                value = self.value(assignment[3], target, assignment[2], is_secret=True)
                converted.append(escaped(assignment[1]) + value)
            else:
                converted.append(self.value(text, target, "ARGUMENT"))
            flag = text if text.startswith("-") and assignment is None else ""
        return converted

    def _pieces(self, text: str) -> Iterator[tuple[bool, str]]:
        """(is it a reference of ours?, text) in order."""
        if self._client is Client.CLAUDE_DESKTOP:  # knows no variables
            yield False, text
            return
        position = 0
        for match in _VARIABLE.finditer(text):
            yield False, text[position : match.start()]
            yield self._replaced(match)
            position = match.end()
        yield False, text[position:]

    def _replaced(self, match: re.Match[str]) -> tuple[bool, str]:
        inside = match[1]
        if self._client is Client.CLAUDE_CODE:
            name, has_default, default = inside.partition(":-")
            if has_default and not self._environ.get(name):
                return False, default
            return (True, f"${{env:{name}}}") if _PLAIN_NAME.fullmatch(name) else (False, match[0])
        kind, _, name = inside.partition(":")
        if kind == "env" and _PLAIN_NAME.fullmatch(name):
            return True, f"${{env:{name}}}"
        if kind == "input" and name:
            variable = _variable("INPUT", name)
            self.secrets.setdefault(variable, "")
            return True, f"${{env:{variable}}}"
        return False, self._fixed.get(inside, match[0])

    def _without_secrets(self, text: str, target: str, field: str) -> str:
        converted, position = "", 0
        for begin, end in find_secrets(text):
            converted += escaped(text[position:begin])
            converted += self._moved(text[begin:end], target, field)
            position = end
        return converted + escaped(text[position:])

    def _moved(self, secret: str, target: str, field: str) -> str:
        variable = plain = _variable(target, field)
        number = 1
        while self.secrets.get(variable, secret) != secret:
            number += 1
            variable = f"{plain}_{number}"
        self.secrets[variable] = secret
        return f"${{env:{variable}}}"


def _variable(target: str, field: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", f"{target}_{field}").strip("_").upper()
    return f"CALLGATE_{words}"
