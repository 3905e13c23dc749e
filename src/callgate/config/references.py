"""Secrets stay out of the file: `${env:NAME}` and `${file:PATH}` are replaced as it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath

from callgate.config.problems import Path, Problem
from callgate.config.source import Node
from callgate.model import Json, Value

MAX_FILE_BYTES = 64 << 10
MIN_REDACTED_CHARACTERS = 3  # shorter values are no secrets, and would be found in every word
_REFERENCE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<inside>[^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Resolved(Value):
    """A document with its references replaced."""

    root: Node
    secrets: dict[str, str] = {}  # value → the reference it came from; for nobody's eyes
    files: tuple[FilePath, ...] = ()
    problems: tuple[Problem, ...] = ()
    failed: tuple[Path, ...] = ()  # where a reference could not be replaced

    def redacted(self, text: str) -> str:
        """The text with every value that came from a reference put back to the reference."""
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, self.secrets[value])
        return text


class MissingReference(Exception):  # noqa: N818 - a finding about the file, not our fault
    """A reference leads nowhere; the text says what to do."""


def resolve(root: Node, name: str, directory: FilePath, environ: Mapping[str, str]) -> Resolved:
    """Replaces the references in every text value. Relative paths start at `directory`."""
    return _Resolver(name, directory, environ).resolved(root)


def escaped(text: str) -> str:
    """The text as it must be written so that nothing in it is taken for a reference."""
    return text.replace("${", "$${")


class _Resolver:
    def __init__(self, name: str, directory: FilePath, environ: Mapping[str, str]) -> None:
        self._name = name
        self._directory = directory
        self._environ = environ
        self._secrets: dict[str, str] = {}
        self._files: list[FilePath] = []
        self._problems: list[Problem] = []
        self._failed: list[Path] = []

    def resolved(self, root: Node) -> Resolved:
        return Resolved(
            root=self._node(root, ()),
            secrets=self._secrets,
            files=tuple(dict.fromkeys(self._files)),
            problems=tuple(self._problems),
            failed=tuple(self._failed),
        )

    def _node(self, node: Node, path: Path) -> Node:
        value = node.value
        if isinstance(value, dict):
            return _with(node, {key: self._node(item, (*path, key)) for key, item in value.items()})
        if isinstance(value, list):
            return _with(node, [self._node(item, (*path, i)) for i, item in enumerate(value)])
        if not isinstance(value, str) or "${" not in value:
            return node
        try:
            replaced = _REFERENCE.sub(self._value, value)
        except MissingReference as missing:
            self._problems.append(
                Problem.at(self._name, (node.line, node.column), path, str(missing))
            )
            self._failed.append(path)
            return _with(node, value, written=value)
        return _with(node, replaced, written=value)

    def _value(self, match: re.Match[str]) -> str:
        if match["escaped"]:
            return "${"
        written = match[0]
        kind, _, rest = (match["inside"] or "").partition(":")
        if kind == "env" and _NAME.fullmatch(rest):
            value = self._environ.get(rest)
            if not value:
                state = "is not set" if value is None else "is empty"
                raise MissingReference(f"the environment variable {rest} {state}; set it")
        elif kind == "file" and rest:
            value = self._content(rest)
        else:
            raise MissingReference(
                f"{written[:80]} is no reference; write ${{env:NAME}} or ${{file:PATH}}, "
                "or $${ for the text ${ itself"
            )
        if len(value) >= MIN_REDACTED_CHARACTERS:
            self._secrets[value] = written
        return value

    def _content(self, text: str) -> str:
        path = self._directory / FilePath(text).expanduser()
        self._files.append(path)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise MissingReference(f"{text} is larger than {MAX_FILE_BYTES} bytes")
            value = content.decode().removesuffix("\n").removesuffix("\r")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise MissingReference(f"{text} cannot be read ({reason}); create it") from None
        except UnicodeDecodeError:
            raise MissingReference(f"{text} is not UTF-8 text") from None
        if not value:
            raise MissingReference(f"{text} is empty")
        return value


def _with(node: Node, value: Json, written: str | None = None) -> Node:
    return Node(value=value, line=node.line, column=node.column, keys=node.keys, written=written)
