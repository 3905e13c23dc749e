"""What a tool of the fixture is: its listing, and what it does when called."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from fakes.conformance_server.exchange import Exchange, Json

Run = Callable[[Exchange, Json], Awaitable[Json]]


@dataclass(frozen=True)
class Tool:
    """A tool; `prepare` runs before a task would be made and may change the arguments."""

    name: str
    description: str
    run: Run
    properties: Json = field(default_factory=dict)
    required: tuple[str, ...] = ()
    schema: Json | None = None
    output: Json | None = None
    annotations: Json | None = None
    as_task: Literal["never", "optional", "required"] = "never"
    prepare: Run | None = None

    def input_schema(self) -> Json:
        if self.schema is not None:
            return self.schema
        schema: Json = {"type": "object", "properties": self.properties}
        return schema | {"required": list(self.required)} if self.required else schema

    def listed(self) -> Json:
        listing: Json = {
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input_schema(),
        }
        if self.output is not None:
            listing["outputSchema"] = self.output
        if self.annotations is not None:
            listing["annotations"] = self.annotations
        return listing
