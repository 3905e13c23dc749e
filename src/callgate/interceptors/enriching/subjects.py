"""Whom or what a fact is about: a part of the principal, a claim, an argument, a header."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

from callgate.interceptors.fields import FieldError, FieldPath, read_path
from callgate.model import Json, Value, read_claim
from callgate.scrutiny import Request

OF_PRINCIPAL = ("id", "issuer", "kind", "tenant", "agent", "groups")
MAX_VALUES = 1_000
_FORM = re.compile(r"principal\.(?P<part>[a-z]+)|claim:(?P<claim>.+)|header:(?P<header>[a-z0-9-]+)")
_FORMS = "principal.id, claim:name, argument:$.path, header:name"


class Subject(Value):
    """One way to name a value of a request."""

    text: str
    part: str = ""  # of the principal
    claim: str = ""
    header: str = ""
    path: FieldPath | None = None  # of the arguments

    def values(self, request: Request) -> list[Json]:
        """What it is in this request; several where there are several, none where it is absent."""
        found = self._found(request)
        several = found if isinstance(found, list) else [found]
        return [value for value in several[:MAX_VALUES] if value not in (None, "")]

    def _found(self, request: Request) -> Json:
        if self.part:
            value: Any = getattr(request.principal, self.part)
            return list(value) if isinstance(value, tuple) else value
        if self.claim:
            return read_claim(request.principal.claims, self.claim)
        if self.header:
            return request.headers.get(self.header)
        assert self.path is not None  # noqa: S101 - read_subject sets one of them
        values: list[Json] = []
        for _, value in self.path.find(request.arguments):
            values.extend(value if isinstance(value, list) else [value])
            if len(values) > MAX_VALUES:
                break
        return values


def read_subject(text: str) -> Subject:
    """`principal.groups`, `claim:org.level`, `argument:$.customer`, `header:x-country`.

    Raises ValueError.
    """
    if text.startswith("argument:"):
        try:
            return Subject(text=text, path=read_path(text.removeprefix("argument:")))
        except FieldError as error:
            raise ValueError(str(error)) from None
    found = _FORM.fullmatch(text)
    if found is None or (found["part"] is not None and found["part"] not in OF_PRINCIPAL):
        parts = ", ".join(OF_PRINCIPAL)
        raise ValueError(f"{text!r} names nothing; write one of {_FORMS} (principal.: {parts})")
    groups = found.groupdict()
    said: dict[str, Any] = {name: value for name, value in groups.items() if value is not None}
    return Subject(text=text, **said)


def written(value: Json) -> str | None:
    """A value as the key of a table has it; None where it can be none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else None


def _checked(text: str) -> str:
    read_subject(text)
    return text


Named = Annotated[str, StringConstraints(max_length=500), AfterValidator(_checked)]
"""A subject in callgate.yaml."""
