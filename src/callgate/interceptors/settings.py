"""How an interceptor stands in callgate.yaml: its kind, its place, what happens when it fails."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from callgate.interceptors.redact import RedactSettings
from callgate.settings import Settings


class InterceptorSettings(Settings):
    """One interceptor. Interceptors run in the order in which they are declared."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    """Unique; policies see its facts as `context.enriched.<name>`."""

    python: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """A Python function, `module:function`; modules beside callgate.yaml are found."""

    redact: RedactSettings | None = None
    """The built-in redactor."""

    on: frozenset[Literal["request", "result"]] = frozenset({"request"})
    """Whether it sees requests, results, or both."""

    targets: frozenset[str] | None = None
    """Only calls of these targets; all where left out."""

    tools: frozenset[str] | None = None
    """Only these tools, as `<target>___<tool>`; all where left out."""

    timeout_seconds: float = Field(default=5.0, gt=0, le=300)
    """How long it may take."""

    on_failure: Literal["refuse", "allow"] = "refuse"
    """When it fails or takes too long: refuse the call (or withhold the result), or go on."""

    enriches: dict[str, Literal["string", "integer", "boolean", "decimal"]] = {}
    """The facts that it may add for policy, and their types."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.python is None) == (self.redact is None):
            raise ValueError("name exactly one kind: `python` or `redact`")
        return self
