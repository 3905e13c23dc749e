"""Settings classes over a document: what does not fit, in our words, at its place in the file."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from callgate.config.problems import Path, Problem
from callgate.config.references import Resolved
from callgate.config.source import Node

Model = TypeVar("Model", bound=BaseModel)
LEAK_CHARACTERS = 6  # of a referenced value that a message must not repeat

_MUST_BE = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "mapping_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "none_required": "must be left out",
    "path_type": "must be a path",
    "set_type": "must be a list",
    "timezone_aware": "must say its time zone, as in 2027-01-31T00:00:00Z",
    "tuple_type": "must be a list",
}
_WORDS = (
    ("Input should", "must"),
    ("String should", "must"),
    ("Value should", "must"),
    ("Tuple should", "must"),
    ("List should", "must"),
    ("after validation, not", "but has"),
)
_DATETIME = "must be an instant, as in 2027-01-31T00:00:00Z"


def problems_of(
    error: ValidationError, model: type[BaseModel], resolved: Resolved, name: str
) -> list[Problem]:
    """The problems behind a validation error, one per place. No referenced value is repeated."""
    found: dict[Path, list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail, resolved.root)
        if any(path[: len(failed)] == failed for failed in resolved.failed):
            continue  # already said: its reference leads nowhere
        if detail["type"] == "value_error" and any(path == one[:-1] for one in resolved.failed):
            continue  # a block of which one value is not known yet
        message = _discreet(_message(detail, path, model, resolved.root), path, resolved)
        messages = found.setdefault(path, [])
        if message not in messages:
            messages.append(message)
    return [
        Problem.at(name, resolved.root.place(path), path, ", or ".join(messages))
        for path, messages in found.items()
    ]


def nearest(text: str, known: list[str]) -> str:
    """`; did you mean "x"?`, or what there is to choose from."""
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are {', '.join(sorted(known))}" if known else "take it out"


def _path(detail: ErrorDetails, root: Node) -> Path:
    """The path in the document: pydantic's location without its marks of unions and validators."""
    path: Path = ()
    node: Node | None = root
    last = len(detail["loc"]) - 1
    for number, step in enumerate(detail["loc"]):
        below = node.child(step) if node is not None else None
        if below is not None:
            node = below
        elif number < last or detail["type"] != "missing":
            continue
        path = (*path, step)
    return path


def _message(detail: ErrorDetails, path: Path, model: type[BaseModel], root: Node) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = sorted(set(_keys_at(model, detail["loc"][:-1])))
        return f"unknown key; {nearest(str(path[-1]), known)}"
    if kind == "missing":
        return "is missing; add it"
    if kind == "string_type":
        is_scalar = isinstance(detail["input"], (int, float))
        return "must be a text" + ("; put it in quotes" if is_scalar else "")
    if kind in ("literal_error", "enum"):
        return f"must be {detail['ctx']['expected']}"
    if kind in ("value_error", "assertion_error"):
        return str(detail["ctx"]["error"])
    if kind.startswith("datetime_"):
        return _DATETIME
    return _MUST_BE.get(kind) or _reworded(detail["msg"])


def _reworded(text: str) -> str:
    for theirs, ours in _WORDS:
        text = text.replace(theirs, ours)
    return text


def _discreet(message: str, path: Path, resolved: Resolved) -> str:
    """The message without any value that came from a reference, nor a telling part of it."""
    message = resolved.redacted(message)
    at_path = [node for where, node in resolved.root.walk() if where == path and node.written]
    for node in at_path:
        value = str(node.value)
        parts = (value[i : i + LEAK_CHARACTERS] for i in range(len(value) - LEAK_CHARACTERS + 1))
        if any(part in message for part in parts):
            return f"the value of {node.written} is not accepted here"
    return message


def _keys_at(annotation: Any, steps: tuple[int | str, ...]) -> Iterator[str]:
    """The keys that may stand where pydantic's location leads to."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        tags = [mark.tag for mark in marks if isinstance(mark, Tag)]
        if tags and steps and steps[0] not in tags:
            return
        yield from _keys_at(base, steps[1:] if tags else steps)
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _keys_at(option, steps)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _keys_of(annotation, steps)
    elif origin in (dict, list, tuple) and steps:
        inner = get_args(annotation)
        yield from _keys_at(inner[1] if origin is dict else inner[0], steps[1:])


def _keys_of(model: type[BaseModel], steps: tuple[int | str, ...]) -> Iterator[str]:
    if not steps:
        for name, field in model.model_fields.items():
            yield field.alias or name
        return
    for name, field in model.model_fields.items():
        if steps[0] == (field.alias or name):
            annotation: Any = field.annotation
            for mark in field.metadata:
                annotation = Annotated[annotation, mark]
            yield from _keys_at(annotation, steps[1:])
