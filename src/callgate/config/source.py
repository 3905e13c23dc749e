"""YAML text → values that know where in the file they stand; anything ambiguous is a problem."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import yaml

from callgate.config.problems import ConfigError, Path, Problem
from callgate.model import Json, Value

MAX_NODES = 50_000  # aliases can make a short file endless
MAX_DEPTH = 64


class Node(Value):
    """A YAML value at its place. `value` is a scalar, or Nodes by key, or Nodes in order."""

    value: Json
    line: int
    column: int
    keys: dict[str, tuple[int, int]] = {}  # of a mapping: where each key stands
    written: str | None = None  # the text with references, where the value came out of one

    def plain(self) -> Json:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Every scalar below, with its path."""
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.walk((*path, key))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.walk((*path, index))
        else:
            yield path, self

    def child(self, step: str | int) -> Node | None:
        """The Node under a key or an index; None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            found: Node = self.value[step]
            return found
        return None

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of the key or item at a path, or of what comes nearest above it."""
        node, place = self, (self.line, self.column)
        for step in path:
            below = node.child(step)
            if below is None:
                break
            place = node.keys.get(str(step), (below.line, below.column))
            node = below
        return place


class Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: `on`, `no` and `2027-01-31` are texts, `1:30` is no number."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_KINDS = frozenset({"map", "seq", "str", "null", "bool", "int", "float"})
_DIGITS = "0123456789"
_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", ["-", "+", *_DIGITS]),
    (
        "float",
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$",
        ["-", "+", ".", *_DIGITS],
    ),
):
    Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


def read_yaml(text: str, name: str) -> Node:
    """The document. Raises ConfigError with every problem; `name` is what they call the file."""
    try:
        root = yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ConfigError([_unreadable(error, name)]) from None
    reader = _Reader(name)
    node = reader.node(root, ()) if root is not None else None
    if node is None or (not reader.problems and not isinstance(node.value, dict)):
        message = "must be a mapping of keys; `callgate init` writes one to start from"
        raise ConfigError([Problem(file=name, line=1, column=1, path="", message=message)])
    if reader.problems:
        raise ConfigError(reader.problems)
    return node


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self._open: list[int] = []
        self.problems: list[Problem] = []

    def node(self, node: yaml.Node, path: Path) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self._count += 1
        if self._count > MAX_NODES or len(path) > MAX_DEPTH or id(node) in self._open:
            problem = "contains itself, or more than any configuration needs; write it out plainly"
            raise ConfigError([*self.problems, self._problem(node, path, problem)])
        self._open.append(id(node))
        value: Json = None
        keys: dict[str, tuple[int, int]] = {}
        if node.tag.removeprefix(_TAG) not in _KINDS:
            message = f"{node.tag.replace(_TAG, '!!')} is not a value for a configuration; "
            self.problems.append(self._problem(node, path, message + "write it plainly"))
        elif isinstance(node, yaml.MappingNode):
            value, keys = self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            value = [self.node(item, (*path, index)) for index, item in enumerate(node.value)]
        else:
            value = self._scalar(node, path)
        self._open.pop()
        return Node(value=value, line=line, column=column, keys=keys)

    def _mapping(
        self, node: yaml.MappingNode, path: Path
    ) -> tuple[dict[str, Node], dict[str, tuple[int, int]]]:
        value: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(self._problem(key_node, path, "a key must be a plain text"))
                continue
            key: str = key_node.value
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in keys:
                message = f"the key appears twice (first in line {keys[key][0]}); keep one"
                self.problems.append(self._problem(key_node, (*path, key), message))
                continue
            keys[key] = place
            value[key] = self.node(value_node, (*path, key))
        return value, keys

    def _scalar(self, node: yaml.Node, path: Path) -> Json:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        try:
            match kind:
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text, 10 if text.lstrip("-+").isdecimal() else 0)
                case "float" if math.isfinite(float(text)):
                    return float(text)
        except ValueError:
            pass  # said below
        self.problems.append(self._problem(node, path, f"{text[:40]!r} is no {kind}"))
        return None

    def _problem(self, node: yaml.Node, path: Path, message: str) -> Problem:
        mark = node.start_mark
        return Problem.at(self._name, (mark.line + 1, mark.column + 1), path, message)


def _unreadable(error: yaml.YAMLError, name: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    place = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    return Problem.at(name, place, (), f"not valid YAML: {what}")
