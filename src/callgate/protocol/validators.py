"""Arguments against input schemas: compiled once, in bounded time, and values are never named."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import jsonschema_rs

from callgate.model import Json, Tool
from callgate.protocol.definitions import Unusable
from callgate.protocol.effort import TooMuch, depth_of, max_depth

MAX_VALIDATORS = 2000
MAX_SENTENCE_CHARACTERS = 200
MAX_KEY_CHARACTERS = 64

# A target's `pattern` cannot stall the gateway: linear time where it has no look-around, else
# bounded backtracking, and a pattern that runs out of it does not match.
PATTERNS = jsonschema_rs.FancyRegexOptions(
    backtrack_limit=10_000, size_limit=1 << 20, dfa_size_limit=1 << 20
)


class Compiled(NamedTuple):
    """A schema, ready to judge values."""

    validator: jsonschema_rs.Validator
    max_depth: int | None


class Validators:
    """The compiled input schemas of the tools used lately."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[str, Compiled] = OrderedDict()  # by digest, latest use last

    def validate(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        """None where the arguments fit, else one sentence that names the field, never its value."""
        compiled = self._compiled.get(tool.digest)
        if compiled is None:
            try:
                compiled = compile_schema(tool.input_schema)
            except Unusable as unusable:
                return f"The tool {tool.name} cannot be called: it {unusable}."
            self._compiled[tool.digest] = compiled
            if len(self._compiled) > MAX_VALIDATORS:
                self._compiled.popitem(last=False)
        else:
            self._compiled.move_to_end(tool.digest)
        return fault(compiled, arguments, "The arguments", may_hold_nulls=True)


def fault(
    compiled: Compiled, value: Json, whole: str, *, may_hold_nulls: bool = False
) -> str | None:
    """None where the value fits, else one sentence that names the place, never what stands there.

    `whole` is what the value is called where all of it is meant. With `may_hold_nulls`, null in
    an object counts as absent.
    """
    limit = compiled.max_depth
    if limit is not None and depth_of(value, limit) > limit:
        return f"{whole} are nested more than {limit} deep; this tool takes no more."
    try:
        if compiled.validator.is_valid(value):
            return None
        if may_hold_nulls and compiled.validator.is_valid(_without_nulls(value)):
            return None  # null for what is optional: many clients say so that it is absent
        return _sentence(next(iter(compiled.validator.iter_errors(value))), whole)
    except ValueError:  # nested beyond what the validator follows, or no Unicode
        return f"{whole} cannot be checked: they are nested too deep or not Unicode."


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def compile_schema(schema: dict[str, Json], kind: str = "input schema") -> Compiled:
    """The schema, ready to judge. Raises Unusable; nothing it refers to is ever fetched."""
    try:
        depth = max_depth(schema)
        validator = jsonschema_rs.validator_for(
            schema,
            offline=True,
            pattern_options=PATTERNS,
            mask="the value",  # errors name the rule, never the value: it may be secret
        )
    except TooMuch as error:
        raise Unusable(f"has an {kind} that {error}") from None
    except (ValueError, jsonschema_rs.ReferencingError, RecursionError) as error:
        reason = str(getattr(error, "message", error)).partition("\n")[0]
        raise Unusable(f"has an {kind} that cannot be used ({reason[:120]})") from None
    return Compiled(validator, depth)


def _sentence(error: jsonschema_rs.ValidationError, whole: str) -> str:
    """What is wrong and where, in one sentence of at most MAX_SENTENCE_CHARACTERS."""
    path, kind = list(error.instance_path), error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return f"{_pointer([*path, kind.property])} is required."
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        return f"{_pointer([*path, *kind.unexpected[:1]])} is not a parameter of this tool."
    where = _pointer(path) if path else whole
    message = " ".join(error.message.split()).removeprefix("the value ")
    sentence = f"{where}: {message}"
    return sentence[: MAX_SENTENCE_CHARACTERS - 1] + "."


def _pointer(path: list[str | int]) -> str:
    """A JSON pointer (RFC 6901); the caller's own keys in it are cut short."""
    steps = (str(step)[:MAX_KEY_CHARACTERS] for step in path)
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return pointer if len(pointer) <= 120 else pointer[:120] + "…"
