"""Holds arguments and results to what the schemas of their tool declare."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Literal, NamedTuple, Self, TypeVar

import msgspec
from pydantic import model_validator

from callgate.interceptors.declared import Declared, Undeclarable
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.fields import shown
from callgate.model import CALL_TOOL, Json, Tool
from callgate.protocol.definitions import Unusable
from callgate.protocol.validators import Compiled, compile_schema, fault
from callgate.scrutiny import Decision, Passive, Request, Result
from callgate.settings import Settings

MAX_TOOLS = 1_000  # whose schemas are kept ready
MISMATCH = "schema_mismatch"
_NOT_FINAL = ("input_required", "task")

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class SchemaSettings(Settings):
    """What is held to a tool's schemas beyond what the gateway does: it always checks arguments
    against the input schema, also after they were changed."""

    closed: bool = False
    """Refuse arguments that the input schema does not declare, at any depth, unless it says itself
    that there may be others (`additionalProperties`)."""

    results: Literal["ignore", "label", "withhold"] = "withhold"
    """What happens to a result that does not fit the tool's `outputSchema`, or lacks its
    `structuredContent`: nothing, the label `schema_mismatch`, or it is withheld."""

    project: bool = False
    """Keep only what the output schema declares: other members are taken out of
    `structuredContent`, and the text of the result becomes its JSON. Other content is dropped."""

    output: dict[str, Json] | None = None
    """A JSON Schema in the place of the tools' own `outputSchema`. With `project`, also for tools
    without one whose result is JSON in a text."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.closed and not self.project and self.results == "ignore":
            raise ValueError("`closed`, `results`, `project`: none of them asks for anything")
        if self.output is not None:
            try:
                compile_schema(self.output, "output schema")
                Declared(self.output)
            except (Unusable, Undeclarable) as problem:
                raise ValueError(f"`output`: the schema {problem}") from None
        return self


class _Output(NamedTuple):
    """What a tool says of its results."""

    compiled: Compiled
    declared: Declared


class Schema(Passive):
    """Refuses what the schemas do not declare. Keeps nothing but compiled schemas."""

    def __init__(self, settings: SchemaSettings) -> None:
        self._settings = settings
        self._inputs: _Kept[Declared] = _Kept()
        self._outputs: _Kept[_Output] = _Kept()

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor."""
        tool = request.tool
        if not self._settings.closed or tool.method != CALL_TOOL:
            return None
        try:
            declared = self._inputs.get(tool, lambda: Declared(tool.input_schema))
        except Undeclarable as problem:
            return Decision(refuse=f"The tool {tool.name} cannot be called: its schema {problem}.")
        undeclared = next(declared.undeclared(request.arguments), None)
        if undeclared is None:
            return None
        return Decision(refuse=f"The field {shown(undeclared)} is not a parameter of this tool.")

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor. Errors have no schema, nor has what is no result yet."""
        said = result.result
        is_final = said.get("resultType") not in _NOT_FINAL
        if result.tool.method != CALL_TOOL or result.is_error or not is_final:
            return None
        schema = self._settings.output or result.tool.definition.get("outputSchema")
        if not isinstance(schema, dict):
            return self._without_schema(result.tool)
        try:
            output = self._outputs.get(result.tool, lambda: _output_of(schema))
        except (Undeclarable, Unusable) as problem:
            return self._mismatch(f"The output schema of the tool {result.tool.name} {problem}.")
        if self._settings.project:
            return self._projected(said, output, result.tool)
        if "structuredContent" not in said:
            return self._mismatch("The result has no structuredContent.")
        return self._judged(said["structuredContent"], output)

    def _without_schema(self, tool: Tool) -> Decision | None:
        if not self._settings.project:
            return None
        # A target that stops declaring must not get more through than one that declares.
        return Decision(
            withhold=f"The tool {tool.name} does not declare its results, so that none may go back."
        )

    def _judged(self, value: Json, output: _Output) -> Decision | None:
        problem = fault(output.compiled, value, "The result")
        return None if problem is None else self._mismatch(problem)

    def _mismatch(self, problem: str) -> Decision | None:
        if self._settings.results == "ignore":
            return None
        if self._settings.results == "label":
            return Decision(labels=(MISMATCH,), note=problem)
        return Decision(withhold=f"The result is not what the tool declares. {problem}")

    def _projected(self, said: dict[str, Json], output: _Output, tool: Tool) -> Decision | None:
        """The result with what is declared, which is judged after the rest is taken out."""
        if not output.declared.is_closed:
            return Decision(
                withhold=f"The tool {tool.name} does not declare the members of its results, "
                "so that none may go back."
            )
        value = said["structuredContent"] if "structuredContent" in said else _from_text(said)
        if not isinstance(value, dict | list):
            return Decision(withhold="The result has no JSON, so that none of it may go back.")
        kept = output.declared.project(value)
        smaller: dict[str, Json] = {
            "content": [{"type": "text", "text": _encode(kept).decode()}],
            **({"structuredContent": kept} if _has_structure(said, tool) else {}),
            **{key: said[key] for key in ("resultType", "isError") if key in said},
        }
        judged = self._judged(kept, output)
        if judged is not None and judged.withhold is not None:
            return judged
        labels, note = (judged.labels, judged.note) if judged is not None else ((), "")
        return Decision(result=smaller, labels=labels, note=note or "only what is declared")


class _Kept(Generic[T]):
    """What was made of the schemas of the tools used lately."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, T] = OrderedDict()  # by digest, latest use last

    def get(self, tool: Tool, make: Callable[[], T]) -> T:
        """What was made for the tool, or is made now. Raises what `make` raises."""
        made = self._made.get(tool.digest)
        if made is None:
            made = self._made[tool.digest] = make()
            if len(self._made) > MAX_TOOLS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(tool.digest)
        return made


def load_schema(settings: SchemaSettings, points: frozenset[str]) -> Schema:
    """The interceptor for these settings. Raises InterceptorError where one is not asked."""
    if settings.closed and "request" not in points:
        raise InterceptorError("`closed` needs `on: [request]`")
    is_about_results = settings.project or "results" in settings.model_fields_set
    if (is_about_results or not settings.closed) and "result" not in points:
        raise InterceptorError("`project` and `results` need `on: [result]`")
    return Schema(settings)


def _output_of(schema: dict[str, Json]) -> _Output:
    return _Output(compile_schema(schema, "output schema"), Declared(schema))


def _has_structure(said: dict[str, Json], tool: Tool) -> bool:
    return "structuredContent" in said or "outputSchema" in tool.definition


def _from_text(said: dict[str, Json]) -> Json:
    """The JSON in the one text of a result; None where there is none."""
    content = said.get("content")
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        return None
    try:
        return _decode(content[0].get("text", ""))
    except (msgspec.DecodeError, TypeError, RecursionError):
        return None
