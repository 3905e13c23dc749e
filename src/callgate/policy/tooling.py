"""What tools are to policy, whatever the policies: shapes, bounds, validations; shared."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.model import Tool, Value
from callgate.policy.leaves import Limits
from callgate.policy.names import Names
from callgate.policy.schema import Shape, context_shape, input_shape
from callgate.policy.validation import Validator

MAX_TOOLS = 10_000

ToolKey = tuple[str, str, str]  # target, method, digest of the definition
Enrichments = Mapping[str, Mapping[str, str]]


class Typed(Value):
    """One tool, typed."""

    input: Shape
    context: Shape
    limits: Limits


class Tooling:
    """Tools, typed once. Engines that follow each other share it, from whatever thread."""

    def __init__(self, names: Names, enrichments: Enrichments) -> None:
        self.validator = Validator(names)
        self._names = names
        self._enrichments = enrichments
        self._typed: dict[ToolKey, Typed] = {}

    def fits(self, names: Names, enrichments: Enrichments) -> bool:
        """Whether it can serve an engine with these."""
        return self._names == names and self._enrichments == enrichments

    def typed(self, key: ToolKey, tool: Tool) -> Typed:
        """The tool as policy sees it."""
        known = self._typed.get(key)
        if known is None:
            arguments = input_shape(tool.input_schema)
            known = Typed(
                input=arguments,
                context=context_shape(arguments, self._enrichments),
                limits=Limits(tool.input_schema),
            )
            if len(self._typed) >= MAX_TOOLS:
                self._typed.clear()  # a target that makes up schemas without end
            self._typed[key] = known
        return known
