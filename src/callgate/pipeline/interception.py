"""Interceptors in their order: who is asked, how long, and what happens when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from callgate.model import CALL_TOOL, Call, Change, Json, Ran, Refused, Reply, Tool
from callgate.policy.context import Unrepresentable, convert
from callgate.policy.schema import FACT_SHAPES
from callgate.ports import Clock, Decision, Interceptor, Request, Result
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS

MAX_PATHS = 50
MAX_REMEMBERED = 20_000

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Attachment:
    """One interceptor at its place in the chain."""

    name: str
    interceptor: Interceptor
    phases: frozenset[str]  # request, result
    targets: frozenset[str] | None = None  # None: every target
    tools: frozenset[str] | None = None  # qualified names; None: every tool
    timeout_seconds: float = 5.0
    may_fail: bool = False  # on_failure: allow
    facts: Mapping[str, str] = field(default_factory=dict)  # declared enrichments: name → type

    def applies(self, phase: str, tool: Tool) -> bool:
        """Whether it is asked about this tool in this phase."""
        if phase not in self.phases or METHODS[tool.method].is_list:
            return False
        if self.targets is not None and tool.target not in self.targets:
            return False
        return self.tools is None or tool.qualified_name in self.tools


class Chain:
    """All attachments in declared order."""

    def __init__(self, attachments: tuple[Attachment, ...] = ()) -> None:
        self.attachments = attachments
        self._selected: dict[tuple[str, str, str], tuple[Attachment, ...]] = {}

    def select(self, phase: str, tool: Tool) -> tuple[Attachment, ...]:
        """Those to ask, in order."""
        key = (phase, tool.target, tool.name)
        chosen = self._selected.get(key)
        if chosen is None:
            chosen = tuple(a for a in self.attachments if a.applies(phase, tool))
            if len(self._selected) >= MAX_REMEMBERED:
                self._selected.clear()  # a target that makes up tools without end
            self._selected[key] = chosen
        return chosen

    @property
    def enrichments(self) -> dict[str, Mapping[str, str]]:
        """What the interceptors may add to the policy context: name → fact → type."""
        return {a.name: a.facts for a in self.attachments if a.facts}


async def ask_about_request(call: Call, attachment: Attachment, clock: Clock) -> Call:
    """The call as one interceptor leaves it. Raises Refused."""
    assert call.principal is not None and call.tool is not None  # noqa: S101 - stage order
    view = Request(
        call_id=call.id,
        principal=call.principal,
        tool=call.tool,
        arguments=_copy(call.arguments),
        enriched=call.enriched,
        meta=call.meta,
    )
    started = clock.ticks()
    try:
        async with asyncio.timeout(attachment.timeout_seconds):
            decision = await attachment.interceptor.on_request(view)
        if decision is None:
            return call
        return _apply_to_request(call, attachment, decision, clock.ticks() - started)
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 - whatever fails in foreign code is its failure
        return _failed(call, attachment, "request", error, clock.ticks() - started)


def _apply_to_request(
    call: Call, attachment: Attachment, decision: Decision, seconds: float
) -> Call:
    note = decision.note
    if decision.refuse is not None:
        call = _noted(call, attachment, "request", "refused", seconds, note=note)
        raise Refused("refused_by_interceptor", decision.refuse, call=call)
    if decision.answer is not None:
        answer = _checked_result(decision.answer, call.method)
        call = _noted(call, attachment, "request", "answered", seconds, note=note)
        return replace(call, is_answered=True, reply=Reply(body=answer))
    if decision.enrich is not None:
        facts = _checked_facts(attachment, decision.enrich)
        paths = tuple(f"/enriched/{attachment.name}/{fact}" for fact in facts)
        call = _noted(call, attachment, "request", "enriched", seconds, paths=paths, note=note)
        call = replace(call, enriched={**call.enriched, attachment.name: facts})
    if decision.arguments is not None and decision.arguments != call.arguments:
        if not isinstance(decision.arguments, dict):
            raise TypeError("Decision.arguments must be a dict")
        paths = changed_paths(call.arguments, decision.arguments)
        call = _noted(call, attachment, "request", "changed", seconds, paths=paths, note=note)
        call = replace(call, arguments=_copy(decision.arguments))
    return call


async def ask_about_result(
    call: Call, attachment: Attachment, result: dict[str, Json], clock: Clock
) -> tuple[Call, dict[str, Json]]:
    """The call and its result as one interceptor leaves them. Raises Refused."""
    assert call.principal is not None and call.tool is not None and call.reply is not None  # noqa: S101
    view = Result(
        call_id=call.id,
        principal=call.principal,
        tool=call.tool,
        arguments=call.arguments,
        result=_copy(result),
        is_error=call.reply.is_error or result.get("isError") is True,
    )
    started = clock.ticks()
    try:
        async with asyncio.timeout(attachment.timeout_seconds):
            decision = await attachment.interceptor.on_result(view)
        seconds = clock.ticks() - started
        if decision is None:
            return call, result
        if decision.withhold is not None or decision.refuse is not None:
            call = _noted(call, attachment, "result", "withheld", seconds, note=decision.note)
            reason = decision.withhold or decision.refuse or ""
            raise Refused("result_withheld", reason, call=replace(call, reply=None))
        if decision.result is None or decision.result == result:
            return call, result
        if not isinstance(decision.result, dict):
            raise TypeError("Decision.result must be a dict")
        paths = changed_paths(result, decision.result)
        call = _noted(
            call, attachment, "result", "changed", seconds, paths=paths, note=decision.note
        )
        return call, _copy(decision.result)
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 - whatever fails in foreign code is its failure
        call = _failed(call, attachment, "result", error, clock.ticks() - started)
        return call, result


def _failed(
    call: Call, attachment: Attachment, phase: str, error: Exception, seconds: float
) -> Call:
    what = (
        "took too long" if isinstance(error, TimeoutError) else f"failed ({type(error).__name__})"
    )
    call = _noted(call, attachment, phase, "failed", seconds, note=f"{what}: {str(error)[:200]}")
    if attachment.may_fail:
        return call
    withheld = phase == "result" and call.ran is not Ran.NO
    reason = f"The interceptor {attachment.name} {what.split(' (')[0]}"
    reason += ", so the result is withheld." if withheld else ", so the call is refused."
    raise Refused("interceptor_failed", reason, detail=f"{what}: {error}", call=call)


def _noted(
    call: Call,
    attachment: Attachment,
    phase: str,
    action: str,
    seconds: float,
    **more: str | tuple[str, ...],
) -> Call:
    change = Change(
        interceptor=attachment.name,
        phase=phase,
        action=action,
        duration_seconds=seconds,
        **more,  # type: ignore[arg-type] # paths and note, typed at the callers
    )
    return replace(call, changes=(*call.changes, change))


def _checked_facts(attachment: Attachment, facts: dict[str, Json]) -> dict[str, Json]:
    for fact, value in facts.items():
        if fact not in attachment.facts:
            raise ValueError(f'the fact "{fact}" is not declared under `enriches`')
        try:
            convert(FACT_SHAPES[attachment.facts[fact]], value, fact)
        except Unrepresentable as finding:
            raise ValueError(str(finding)) from None
    return dict(facts)


def _checked_result(result: dict[str, Json], method: str) -> bytes:
    if not isinstance(result, dict):
        raise ValueError("an answer is a result: an object")
    if method == CALL_TOOL and not isinstance(result.get("content"), list):
        raise ValueError("an answer is a tool result: an object with a `content` list")
    return encode(result)


def _copy(value: Json) -> Json:
    return _decode(encode(value))


def changed_paths(before: Json, after: Json) -> tuple[str, ...]:
    """JSON pointers of what differs, at most MAX_PATHS of them."""
    paths: list[str] = []
    _compare(before, after, "", paths)
    return tuple(paths[:MAX_PATHS])


def _compare(before: Json, after: Json, path: str, paths: list[str]) -> None:
    if len(paths) >= MAX_PATHS or (before == after and type(before) is type(after)):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            step = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in before and key in after:
                _compare(before[key], after[key], step, paths)
            else:
                paths.append(step)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            _compare(old, new, f"{path}/{index}", paths)
    else:
        paths.append(path or "/")
