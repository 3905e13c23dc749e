"""Calls, results and messages as interceptors leave them."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import force_setattr, replace

from callgate.audit.patch import patch, paths_of
from callgate.model import CALL_TOOL, Call, Json, Refused, Reply
from callgate.pipeline.attaching import MESSAGE, REQUEST, RESULT, Attachment
from callgate.pipeline.consulting import Told, Waiting, begin, consult
from callgate.pipeline.views import Views
from callgate.pipeline.wishes import Copies, Noting, applied, failed, replacement, sentence
from callgate.policy.context import Unrepresentable, convert
from callgate.policy.schema import FACT_SHAPES
from callgate.ports import Clock
from callgate.protocol.jsonrpc import encode
from callgate.scrutiny import Decision, Message, Request, Result

MAX_LABELS = 32
MAX_LABEL_CHARACTERS = 64
MAX_FACT_BYTES = 64 << 10  # of all facts of one decision, as JSON
MAX_HEADER_BYTES = 16 << 10
LABEL = re.compile(rf"[^\ud800-\udfff]{{1,{MAX_LABEL_CHARACTERS}}}")


class AboutRequest:
    """What is shown to interceptors of a call that has not been made."""

    __slots__ = ("arguments", "views")

    def __init__(self, arguments: dict[str, Json]) -> None:
        self.arguments = Copies(arguments)
        self.views = Views(Request)

    def text_of(self, call: Call) -> bytes:
        """The arguments of the call as they are now."""
        if call.arguments is not self.arguments.value:
            self.arguments = Copies(call.arguments)
        return self.arguments.text

    def view(self, call: Call, attachment: Attachment) -> Request:
        """For one of them."""
        if call.arguments is not self.arguments.value:
            self.arguments = Copies(call.arguments)
        view = self.views.of(call, attachment)
        force_setattr(view, "arguments", self.arguments.of(attachment))
        return view


async def ask_about_request(
    call: Call, attachment: Attachment, about: AboutRequest, clock: Clock
) -> Call:
    """The call as one interceptor leaves it. Raises Refused."""
    view = about.view(call, attachment)
    told = begin(attachment, attachment.interceptor.on_request(view), clock)
    return await after_request(call, attachment, told)


async def after_request(call: Call, attachment: Attachment, told: Told | Waiting) -> Call:
    """The call as an interceptor leaves it that has been asked. Raises Refused."""
    if isinstance(told, Waiting):
        told = await told.rest()
    if told.decision is None:
        return failed(call, attachment, REQUEST, told) if told.failure else call
    return applied(call, attachment, REQUEST, told, _apply_to_request)


def _apply_to_request(call: Call, attachment: Attachment, told: Told) -> Call:
    decision = told.decision or Decision()
    note = Noting(attachment, REQUEST, told)
    if decision.refuse is not None:
        call = note(call, "refused")
        raise Refused("refused_by_interceptor", sentence(decision.refuse), call=call)
    if decision.approve is not None:
        call = note(call, "held")
        # Nobody can approve yet: asking for it refuses, and says so.
        raise Refused("approval_required", sentence(decision.approve), call=call)
    call = _labelled(call, decision, note)
    if decision.answer is not None:
        answer = _checked_result(decision.answer, call.method)
        return replace(note(call, "answered"), is_answered=True, reply=Reply(body=answer))
    if decision.enrich is not None:
        facts = _checked_facts(attachment, decision.enrich)
        paths = tuple(f"/enriched/{attachment.name}/{fact}" for fact in facts)
        call = note(call, "enriched", paths=paths)
        call = replace(call, enriched={**call.enriched, attachment.name: facts})
    if decision.headers is not None:
        call = replace(call, onward={**call.onward, **_checked_headers(decision.headers)})
        call = note(call, "changed", paths=tuple(f"/headers/{name}" for name in decision.headers))
    if decision.arguments is not None:
        arguments = replacement(decision.arguments, "Decision.arguments", b"")
        if operations := patch(call.arguments, arguments):
            call = note(call, "changed", paths=paths_of(operations), patch=operations)
            call = replace(call, arguments=arguments)
    return call


class AboutResult:
    """What is shown to interceptors of a call that has its result."""

    __slots__ = ("arguments", "result", "views")

    def __init__(self, arguments: dict[str, Json], result: Copies) -> None:
        self.arguments = Copies(arguments)
        self.result = result  # or {"error": {...}}
        self.views = Views(Result)

    def view(self, call: Call, attachment: Attachment) -> Result:
        """For one of them."""
        assert call.reply is not None  # noqa: S101 - stage order
        result: dict[str, Json] = self.result.value
        view = self.views.of(call, attachment)
        force_setattr(view, "arguments", self.arguments.of(attachment))
        force_setattr(view, "result", self.result.of(attachment))
        if call.reply.is_error or result.get("isError") is True:
            force_setattr(view, "is_error", True)
        return view


async def ask_about_result(
    call: Call, attachment: Attachment, about: AboutResult, clock: Clock
) -> tuple[Call, dict[str, Json]]:
    """The call and its result as one interceptor leaves them. Raises Refused."""
    view = about.view(call, attachment)
    told = begin(attachment, attachment.interceptor.on_result(view), clock)
    return await after_result(call, attachment, about, told)


async def after_result(
    call: Call, attachment: Attachment, about: AboutResult, told: Told | Waiting
) -> tuple[Call, dict[str, Json]]:
    """The call and its result as an interceptor leaves them that has been asked. Raises Refused."""
    result: dict[str, Json] = about.result.value
    if isinstance(told, Waiting):
        told = await told.rest()
    if told.decision is None:
        return (failed(call, attachment, RESULT, told) if told.failure else call), result
    changed = result

    def apply(call: Call, attachment: Attachment, told: Told) -> Call:
        nonlocal changed
        decision = told.decision or Decision()
        note = Noting(attachment, RESULT, told)
        kept_back = decision.withhold if decision.withhold is not None else decision.refuse
        if kept_back is not None:
            call = replace(note(call, "withheld"), reply=None)
            raise Refused("result_withheld", sentence(kept_back), call=call)
        call = _labelled(call, decision, note)
        if decision.result is not None:
            wanted = replacement(decision.result, "Decision.result", about.result.text)
            if operations := patch(result, wanted):
                call = note(call, "changed", paths=paths_of(operations), patch=operations)
                changed = wanted
        return call

    call = applied(call, attachment, RESULT, told, apply)
    return call, result if attachment.is_observing else changed


async def ask_about_message(
    call: Call, attachment: Attachment, method: str, params: dict[str, Json], clock: Clock
) -> tuple[Call, dict[str, Json] | None]:
    """The call and a message of its target; None where it is dropped. Raises nothing.

    A failure drops the message, unless the interceptor may fail: a call is not refused for it.
    """
    shown = Copies(params)
    view = Views(Message).of(call, attachment)
    force_setattr(view, "method", method)
    force_setattr(view, "params", shown.of(attachment))
    told = await consult(attachment, attachment.interceptor.on_message(view), clock)
    if told.failure:
        note = Noting(attachment, MESSAGE, told)
        is_dropped = not (attachment.may_fail or attachment.is_observing)
        return note(call, "failed"), None if is_dropped else params
    changed: dict[str, Json] | None = params

    def apply(call: Call, attachment: Attachment, told: Told) -> Call:
        nonlocal changed
        decision = told.decision or Decision()
        note = Noting(attachment, MESSAGE, told)
        if decision.withhold is not None or decision.refuse is not None:
            changed = None
            return note(call, "withheld")
        call = _labelled(call, decision, note)
        if decision.params is not None:
            wanted = replacement(decision.params, "Decision.params", shown.text)
            if operations := patch(params, wanted):
                call = note(call, "changed", paths=paths_of(operations), patch=operations)
                changed = wanted
        return call

    if told.decision is None:
        return call, params
    try:
        call = applied(call, attachment, MESSAGE, told, apply)
    except Refused as refused:  # it returned junk
        return refused.call or call, None
    return call, params if attachment.is_observing else changed


def _labelled(call: Call, decision: Decision, note: Callable[..., Call]) -> Call:
    if not decision.labels:
        return call
    labels = tuple(dict.fromkeys((*call.labels, *decision.labels)))
    if (
        not isinstance(decision.labels, (tuple, list))
        or len(labels) > MAX_LABELS
        or not all(isinstance(label, str) and LABEL.fullmatch(label) for label in labels)
    ):
        raise ValueError(
            f"labels are texts of at most {MAX_LABEL_CHARACTERS} characters, at most {MAX_LABELS}"
        )
    return replace(note(call, "labelled", labels=tuple(decision.labels)), labels=labels)


def _checked_facts(attachment: Attachment, facts: dict[str, Json]) -> dict[str, Json]:
    facts = replacement(facts, "Decision.enrich", b"", most=MAX_FACT_BYTES)
    for fact, value in facts.items():
        if fact not in attachment.facts:
            raise ValueError(f'the fact "{fact}" is not declared under `enriches`')
        try:
            convert(FACT_SHAPES[attachment.facts[fact]], value, fact)
        except Unrepresentable as finding:
            raise ValueError(str(finding)) from None
    return facts


def _checked_headers(headers: Json) -> dict[str, str]:
    if not isinstance(headers, dict) or not all(
        isinstance(name, str)
        and isinstance(value, str)
        and f"{name}{value}".isascii()
        and f"{name}{value}".isprintable()
        for name, value in headers.items()
    ):
        raise TypeError("Decision.headers must be a dict of printable ASCII texts")
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADER_BYTES:
        raise ValueError(f"Decision.headers has more than {MAX_HEADER_BYTES} bytes")
    return {name.lower(): value for name, value in headers.items()}


def _checked_result(result: Json, method: str) -> bytes:
    checked = replacement(result, "Decision.answer", b"")
    if method == CALL_TOOL and not isinstance(checked.get("content"), list):
        raise ValueError("an answer is a tool result: an object with a `content` list")
    return encode(checked)
