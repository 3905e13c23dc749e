"""What a model may answer, read as hostile input: strict JSON, by schema, within bounds."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import jsonschema_rs
import msgspec

from callgate.authoring.hidden import hidden_in, texts_in
from callgate.model import Json, Value
from callgate.protocol.jsonrpc import Malformed, parse_json

MAX_REQUIREMENTS = 20
MAX_CASES = 12
MAX_POLICY_CHARACTERS = 8_000
MAX_DEPTH = 16

_FENCE = re.compile(r"```[a-zA-Z]*\n(.*?)```", re.DOTALL)


class ReplyError(Exception):
    """An answer that cannot be used; the message tells the model what to change."""


class Requirement(Value):
    """One rule that a text states."""

    quote: str  # words of the text
    meaning: str  # the rule, as the model understood it


class Proposed(Value):
    """A policy as a model wrote it, before anybody has looked at it."""

    id: str
    policy: str
    explanation: str = ""
    assumptions: tuple[str, ...] = ()


class Impossible(Value):
    """Why a requirement cannot be stated, in the model's words."""

    impossible: str


class ProposedPrincipal(Value):
    """Who calls in a proposed case."""

    id: str = "somebody"
    groups: tuple[str, ...] = ()
    claims: dict[str, Json] = {}
    tenant: str | None = None
    agent: str | None = None


class ProposedCase(Value):
    """A call, and what a model expects of it."""

    name: str
    principal: ProposedPrincipal
    tool: str
    arguments: dict[str, Json]
    expect: str
    time: datetime | None = None


def _text(most: int, least: int = 1) -> dict[str, Json]:
    return {"type": "string", "minLength": least, "maxLength": most}


def _record(required: dict[str, Json], **optional: Json) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Json, most: int) -> dict[str, Json]:
    return {"type": "array", "items": items, "maxItems": most}


_REQUIREMENTS = _record(
    {
        "requirements": _list(
            _record({"quote": _text(1000), "meaning": _text(1000)}), MAX_REQUIREMENTS
        )
    }
)
_POLICY = _record(
    {"policy": _text(MAX_POLICY_CHARACTERS), "id": _text(200)},
    explanation=_text(2000, 0),
    assumptions=_list(_text(500), 10),
)
_IMPOSSIBLE = _record({"impossible": _text(2000)})
_PRINCIPAL = _record(
    {},
    id=_text(200),
    groups=_list(_text(200), 20),
    claims={"type": "object", "maxProperties": 20, "propertyNames": {"maxLength": 200}},
    tenant={"type": ["string", "null"], "maxLength": 200},
    agent={"type": ["string", "null"], "maxLength": 200},
)
_CASES = _record(
    {
        "cases": {
            **_list(
                _record(
                    {
                        "name": _text(200),
                        "principal": _PRINCIPAL,
                        "tool": _text(300),
                        "arguments": {"type": "object", "maxProperties": 100},
                        "expect": {"enum": ["permit", "refuse"]},
                    },
                    time=_text(40),
                ),
                MAX_CASES,
            ),
            "minItems": 1,
        }
    }
)
_requirements = jsonschema_rs.validator_for(_REQUIREMENTS)
_policy = jsonschema_rs.validator_for(_POLICY)
_impossible = jsonschema_rs.validator_for(_IMPOSSIBLE)
_cases = jsonschema_rs.validator_for(_CASES)


def read_requirements(answer: str, text: str) -> tuple[Requirement, ...]:
    """The requirements that a model found in a text. Raises ReplyError.

    Each must quote the text: a model does not add rules of its own.
    """
    reply = _checked(_json(answer), _requirements)
    found = [msgspec.convert(one, Requirement) for one in reply["requirements"]]
    said = _folded(text)
    for one in found:
        if _folded(one.quote) not in said:
            raise ReplyError(f"these words are not in the text: {one.quote!r}; copy its own words")
    return tuple(found)


def read_policy(answer: str) -> Proposed | Impossible:
    """The policy that a model proposes, or why it proposes none. Raises ReplyError."""
    reply = _json(answer)
    if isinstance(reply, dict) and "impossible" in reply:
        return msgspec.convert(_checked(reply, _impossible), Impossible)
    return msgspec.convert(_checked(reply, _policy), Proposed)


def read_cases(answer: str) -> tuple[ProposedCase, ...]:
    """The cases that a model proposes. Raises ReplyError."""
    reply = _checked(_json(answer), _cases)
    try:
        found = tuple(msgspec.convert(one, ProposedCase) for one in reply["cases"])
    except msgspec.ValidationError as error:
        raise ReplyError(f"a time is not as in 2027-01-31T09:00:00Z: {error}") from None
    if any(one.time is not None and one.time.tzinfo is None for one in found):
        raise ReplyError("a time has no time zone; write it as in 2027-01-31T09:00:00Z")
    return found


def _json(answer: str) -> Json:
    """The one JSON value of an answer: after any thinking aloud, in a fence or without one."""
    text = answer.rpartition("</think>")[2].strip()
    fenced = _FENCE.findall(text)
    text = fenced[-1].strip() if fenced else text
    if not text.startswith("{"):
        raise ReplyError("the answer is not a JSON object; answer with one, and nothing else")
    try:
        return parse_json(text.encode("utf-8", "replace"), max_depth=MAX_DEPTH)
    except Malformed as error:
        raise ReplyError(f"the answer is not JSON that can be used: {error.reason}") from None


def _checked(reply: Json, validator: Any) -> Any:
    """The reply, if it fits its schema and hides nothing. Raises ReplyError."""
    for error in validator.iter_errors(reply):
        where = "/".join(str(step) for step in error.instance_path)
        raise ReplyError(f"/{where}: {' '.join(str(error.message).split())[:300]}")
    hidden = sorted({one for text in texts_in(reply) for one in hidden_in(text)})
    if hidden:
        raise ReplyError(f"the answer has invisible characters ({', '.join(hidden[:5])})")
    return reply


def _folded(text: str) -> str:
    """A text without what copying changes: case, spacing, and the kind of quotation marks."""
    return re.sub(r"[\s\"'“”‘’.,;:!?]+", " ", text).casefold().strip()
