"""Calls, results and messages as interceptors leave them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from callgate.audit.patch import patch, paths_of
from callgate.model import CALL_TOOL, Call, Json, Refused, Reply, Value
from callgate.pipeline.attaching import MESSAGE, REQUEST, RESULT, Attachment
from callgate.pipeline.consulting import Told, consult
from callgate.pipeline.wishes import (
    Copies,
    Noting,
    applied,
    failed,
    headers_of,
    own_copy,
    run_of,
    sentence,
)
from callgate.policy.context import Unrepresentable, convert
from callgate.policy.schema import FACT_SHAPES
from callgate.ports import Clock
from callgate.protocol.jsonrpc import encode
from callgate.scrutiny import Decision, Message, Request, Result

MAX_LABELS = 32
MAX_LABEL_CHARACTERS = 64


async def ask_about_request(
    call: Call, attachment: Attachment, arguments: Copies, clock: Clock
) -> Call:
    """The call as one interceptor leaves it; `arguments` are the call's. Raises Refused."""
    assert call.principal is not None and call.tool is not None  # noqa: S101 - stage order
    view = Request(
        call_id=call.id,
        principal=call.principal,
        tool=call.tool,
        run=run_of(call),
        headers=headers_of(call, attachment),
        meta=call.meta,
        labels=call.labels,
        arguments=arguments.of(attachment),
        enriched=call.enriched,
        verdict=call.verdict,
    )
    told = await consult(attachment, attachment.interceptor.on_request(view), clock)
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
    if decision.arguments is not None and decision.arguments != call.arguments:
        arguments = _checked_object(decision.arguments, "Decision.arguments")
        operations = patch(call.arguments, arguments)
        call = note(call, "changed", paths=paths_of(operations), patch=operations)
        call = replace(call, arguments=own_copy(arguments))
    return call


class Shown(Value):
    """What is shown to interceptors of a call that has its result."""

    arguments: Copies
    result: Copies  # the result, or {"error": {...}}


async def ask_about_result(
    call: Call, attachment: Attachment, shown: Shown, clock: Clock
) -> tuple[Call, dict[str, Json]]:
    """The call and its result as one interceptor leaves them. Raises Refused."""
    assert call.principal is not None and call.tool is not None and call.reply is not None  # noqa: S101
    result: dict[str, Json] = shown.result.value
    view = Result(
        call_id=call.id,
        principal=call.principal,
        tool=call.tool,
        run=run_of(call),
        headers=headers_of(call, attachment),
        meta=call.meta,
        labels=call.labels,
        arguments=shown.arguments.of(attachment),
        result=shown.result.of(attachment),
        is_error=call.reply.is_error or result.get("isError") is True,
        verdict=call.verdict,
    )
    told = await consult(attachment, attachment.interceptor.on_result(view), clock)
    if told.decision is None:
        return (failed(call, attachment, RESULT, told) if told.failure else call), result
    changed = result

    def apply(call: Call, attachment: Attachment, told: Told) -> Call:
        nonlocal changed
        decision = told.decision or Decision()
        note = Noting(attachment, RESULT, told)
        kept_back = decision.withhold or decision.refuse
        if kept_back is not None:
            call = replace(note(call, "withheld"), reply=None)
            raise Refused("result_withheld", sentence(kept_back), call=call)
        call = _labelled(call, decision, note)
        if decision.result is not None and decision.result != result:
            replaced = _checked_object(decision.result, "Decision.result")
            operations = patch(result, replaced)
            call = note(call, "changed", paths=paths_of(operations), patch=operations)
            changed = own_copy(replaced)
        return call

    call = applied(call, attachment, RESULT, told, apply)
    return call, result if attachment.is_observing else changed


async def ask_about_message(
    call: Call, attachment: Attachment, method: str, params: dict[str, Json], clock: Clock
) -> tuple[Call, dict[str, Json] | None]:
    """The call and a message of its target; None where it is dropped. Raises nothing.

    A failure drops the message, unless the interceptor may fail: a call is not refused for it.
    """
    assert call.principal is not None and call.tool is not None  # noqa: S101 - it is under way
    view = Message(
        call_id=call.id,
        principal=call.principal,
        tool=call.tool,
        run=run_of(call),
        headers=headers_of(call, attachment),
        meta=call.meta,
        labels=call.labels,
        method=method,
        params=Copies(params).of(attachment),
    )
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
        if decision.params is not None and decision.params != params:
            replaced = _checked_object(decision.params, "Decision.params")
            operations = patch(params, replaced)
            changed = own_copy(replaced)
            return note(call, "changed", paths=paths_of(operations), patch=operations)
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
    if len(labels) > MAX_LABELS or not all(
        isinstance(label, str) and 0 < len(label) <= MAX_LABEL_CHARACTERS for label in labels
    ):
        raise ValueError(
            f"labels are texts of at most {MAX_LABEL_CHARACTERS} characters, at most {MAX_LABELS}"
        )
    return replace(note(call, "labelled", labels=tuple(decision.labels)), labels=labels)


def _checked_facts(attachment: Attachment, facts: dict[str, Json]) -> dict[str, Json]:
    for fact, value in facts.items():
        if fact not in attachment.facts:
            raise ValueError(f'the fact "{fact}" is not declared under `enriches`')
        try:
            convert(FACT_SHAPES[attachment.facts[fact]], value, fact)
        except Unrepresentable as finding:
            raise ValueError(str(finding)) from None
    return dict(facts)


def _checked_headers(headers: Json) -> dict[str, str]:
    if not isinstance(headers, dict) or not all(
        isinstance(name, str) and isinstance(value, str) and value.isprintable()
        for name, value in headers.items()
    ):
        raise TypeError("Decision.headers must be a dict of printable texts")
    return {name.lower(): value for name, value in headers.items()}


def _checked_result(result: Json, method: str) -> bytes:
    _checked_object(result, "Decision.answer")
    if method == CALL_TOOL and not isinstance(result.get("content"), list):
        raise ValueError("an answer is a tool result: an object with a `content` list")
    return encode(result)


def _checked_object(value: Json, name: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict")
    return value
