"""AuthZEN's bodies, read: subject, action, resource, context; or a sentence that says the fix."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from callgate.control.problems import Problem
from callgate.control.routing import Request
from callgate.model import Json, Value

Text = Annotated[str, Meta(min_length=1)]
Members = dict[str, Any]


class Subject(Value):
    """Who would act (§5.1)."""

    type: Text
    id: Text
    properties: Members = {}


class Action(Value):
    """What would be done (§5.3)."""

    name: Text
    properties: Members | UnsetType = UNSET

    @property
    def arguments(self) -> Members | None:
        """Its properties; None where none were given."""
        return None if isinstance(self.properties, UnsetType) else self.properties


class Resource(Value):
    """What it would be done to (§5.2)."""

    type: Text
    id: Text
    properties: Members = {}


class Kind(Value):
    """What is searched for (§8): its `id` is ignored where there is one."""

    type: Text


class Evaluation(Value):
    """One access evaluation request (§6.1)."""

    subject: Subject
    action: Action
    resource: Resource
    context: Members = {}


class Page(Value):
    """Which part of a search (§8.2.1)."""

    token: str = ""
    limit: Annotated[int, Meta(ge=0)] | None = None


class SubjectSearch(Value):
    """Who may do this (§8.4)?"""

    subject: Kind
    action: Action
    resource: Resource
    context: Members = {}
    page: Page = Page()


class ResourceSearch(Value):
    """On what may this be done (§8.5)?"""

    subject: Subject
    action: Action
    resource: Kind
    context: Members = {}
    page: Page = Page()


class ActionSearch(Value):
    """What may be done (§8.6)?"""

    subject: Subject
    resource: Resource
    context: Members = {}
    page: Page = Page()


T = TypeVar("T")


class Unclear(Exception):  # noqa: N818 - a finding about the request
    """The request does not say what the specification requires; the message says what to mend."""


def read(value: Json, kind: type[T]) -> T:
    """A value as one of the classes above; members that they do not name are ignored (§10.1.1).

    Raises Unclear, also for null in place of what may be left out.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Unclear(f"{error}.") from None


def object_of(request: Request) -> Members:
    """The body. Raises Problem(400): also for another content type, as the certification wants."""
    body = request.json(other_type_is=400)
    if not isinstance(body, dict):
        raise Problem(400, "The body must be a JSON object.")
    return body
