"""`callgate interceptor run`: one interceptor, tried on a recorded call or on files."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace
from pydantic import ValidationError

from callgate.app.chains import build_attachment
from callgate.app.clock import SystemClock
from callgate.app.parts import PartError
from callgate.audit.explain import printable
from callgate.audit.patch import patch
from callgate.cli.interceptor.material import Given, Material, of_file, of_record
from callgate.cli.policy.asking import Pairs, json_or_text
from callgate.cli.policy.grounds import CannotSay, Chosen, config_options, configured
from callgate.cli.policy.telling import value_text
from callgate.cli.store import StorePlace, open_records
from callgate.config import Config
from callgate.config.validation import nearest
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Call, Change, Json, Ran, Refused, Reply, Value
from callgate.pipeline.attaching import ERROR, REQUEST, RESULT, Attachment
from callgate.pipeline.interception import (
    AboutRequest,
    AboutResult,
    ask_about_request,
    ask_about_result,
)
from callgate.pipeline.wishes import Copies
from callgate.protocol.mcp import is_tool_error
from callgate.protocol.validators import Validators
from callgate.testing.governing import bare_config

WENT_THROUGH, REFUSED, FAILED = 0, 1, 2
SCRIPT = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
_FILE = click.Path(path_type=Path, dir_okay=False)
_decode = msgspec.json.Decoder().decode


class Tried(Value):
    """What came of it."""

    call: Call  # as the interceptor left it
    changes: tuple[Change, ...] = ()
    before: dict[str, Json] = {}
    after: dict[str, Json] = {}
    code: str | None = None  # a refusal code
    reason: str = ""
    detail: str = ""
    is_skipped: bool = False  # its bytes proved that there is nothing to see


@click.command()
@click.argument("interceptor", metavar="FILE.py:FUNCTION|NAME")
@click.option("--call", "call_id", metavar="CALL_ID", help="A recorded call, by its id.")
@click.option("--request", type=_FILE, help="A call in a JSON file, instead of a recorded one.")
@click.option(
    "--result",
    type=_FILE,
    help="The result of the call, in a JSON file, instead of the recorded one. The interceptor is "
    "asked about it then.",
)
@click.option(
    "--kind",
    type=click.Choice(["python", "lambda"]),
    default="python",
    show_default=True,
    help="How FUNCTION is called.",
)
@config_options
@click.option(
    "--store", type=StorePlace(), help="The record, instead of that of the configuration."
)
@click.option("--tools", type=_FILE, help="Tools as `callgate policy tools` writes them.")
@click.option(
    "--header", "headers", type=Pairs(), multiple=True, help="A header; none is recorded."
)
@click.option("--claim", "claims", type=Pairs(), multiple=True, help="A claim: JSON, or a text.")
@click.option(
    "--fact", "facts", type=Pairs(), multiple=True, help="`<interceptor>.<fact>=value`, of others."
)
@click.option(
    "--enriches", type=Pairs(), multiple=True, help="A fact that FUNCTION adds: `<fact>=<type>`."
)
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON.")
def run(interceptor: str, chosen: Chosen, as_json: bool, **options: Any) -> None:
    """Ask one interceptor about one call, and show what it wants. Nothing is called or recorded.

    The interceptor is a function in a Python file, or one of the configuration by its name.

    Exit codes: 0 the call would go on, 1 it is refused or its result withheld, 2 the interceptor
    fails, or cannot be asked.
    """
    given = Given(
        headers=options["headers"],
        claims={name: json_or_text(text) for name, text in options["claims"]},
        facts=_facts(options["facts"]),
        tools=options["tools"],
        result=options["result"],
    )
    point = RESULT if given.result is not None else REQUEST
    settings, config = _chosen(interceptor, chosen, options, point)
    material = _material(chosen, options, given)
    if "request" not in settings.on:
        point = RESULT
        if material.call.reply is None:
            points = ", ".join(sorted(settings.on))
            raise CannotSay(
                f"{settings.name} is asked about: {points}. There is no result of this call to "
                "ask about; give one: --result FILE"
            )
    tried, notes = asyncio.run(_tried(settings, config, material, point))
    if as_json:
        click.echo(json.dumps(_as_json(settings, point, tried, notes), indent=2))
    else:
        for note in notes:
            click.echo(f"note: {printable(note)}", err=True)
        for line in _lines(settings, point, tried):
            click.echo(line)
    sys.exit(_exit_code(tried))


def _material(chosen: Chosen, options: dict[str, Any], given: Given) -> Material:
    if (options["call_id"] is None) is (options["request"] is None):
        raise click.UsageError("say which call: --call CALL_ID, or --request FILE")
    if options["request"] is not None:
        return of_file(options["request"], given)
    return of_record(open_records(chosen.config, options["store"]), options["call_id"], given)


def _chosen(
    interceptor: str, chosen: Chosen, options: dict[str, Any], point: str
) -> tuple[InterceptorSettings, Config]:
    """The settings of the interceptor, and where it stands. Raises CannotSay."""
    script = SCRIPT.fullmatch(interceptor)
    if script is None:
        config = configured(chosen)
        names = [one.name for one in config.interceptors]
        if interceptor not in names:
            hint = nearest(interceptor, names)
            raise CannotSay(f"the configuration has no interceptor {interceptor!r}; {hint}")
        return config.interceptors[names.index(interceptor)], config
    file = Path(script[1]).absolute()
    if not file.is_file():
        raise CannotSay(f"{script[1]} does not exist")
    references = {"python": f"{file.stem}:{script[2]}", "lambda": f"{file}:{script[2]}"}
    written = {
        "name": re.sub(r"\W", "_", script[2]).lstrip("_") or "it",
        options["kind"]: references[options["kind"]],
        "on": {point},
        "enriches": dict(options["enriches"]),
    }
    try:
        return InterceptorSettings.model_validate(written), bare_config(file.parent)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CannotSay(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _facts(pairs: tuple[tuple[str, str], ...]) -> dict[str, dict[str, Json]]:
    facts: dict[str, dict[str, Json]] = {}
    for name, text in pairs:
        source, dot, fact = name.partition(".")
        if not dot or not fact:
            raise click.BadParameter(f"{name!r} is not of the form <interceptor>.<fact>")
        facts.setdefault(source, {})[fact] = json_or_text(text)
    return facts


async def _tried(
    settings: InterceptorSettings, config: Config, material: Material, point: str
) -> tuple[Tried, tuple[str, ...]]:
    # It does here what it would do in force, also where it only observes there.
    wanted = settings.model_copy(update={"mode": "enforce"})
    try:
        attachment = build_attachment(wanted, config, SystemClock())
    except PartError as error:
        raise CannotSay(str(error)) from None
    try:
        ask = _about_request if point == REQUEST else _about_result
        tried = await ask(material, attachment)
        return tried, (*material.notes, *_notes(settings, attachment, material, point))
    finally:
        await attachment.interceptor.close()


def _notes(
    settings: InterceptorSettings, attachment: Attachment, material: Material, point: str
) -> Iterator[str]:
    call = material.call
    assert call.tool is not None  # noqa: S101 - material has one
    if not material.knows_tool:
        yield "the definition of the tool is not known, so that any arguments fit; --tools FILE"
    unseen = sorted(attachment.headers - call.headers.keys())
    if unseen:
        yield f"headers are not recorded; --header {unseen[0]}=VALUE gives one: {', '.join(unseen)}"
    is_error = point == RESULT and call.reply is not None and is_tool_error(call.reply)
    if not attachment.applies(ERROR if is_error else point, call.tool):
        yield f"the gateway does not ask {settings.name} about this: see its `on`, `tools`, …"
    elif not attachment.is_asked_about(call):
        yield f"the gateway does not ask {settings.name} about this call: `when` does not hold"
    if settings.mode == "observe":
        yield f"{settings.name} only observes in the gateway: what it wants is not done there"


async def _about_request(material: Material, attachment: Attachment) -> Tried:
    call = material.call
    about = AboutRequest(call.arguments)
    before = call.arguments
    if attachment.may_skip and attachment.interceptor.may_skip(about.text_of(call)):
        return Tried(call=call, before=before, after=before, is_skipped=True)
    try:
        left = await ask_about_request(call, attachment, about, SystemClock())
    except Refused as refused:
        return _refused(call, refused, before)
    tried = Tried(call=left, changes=left.changes, before=before, after=left.arguments)
    if left.arguments is not before and material.knows_tool and left.tool is not None:
        problem = Validators().validate(left.tool, left.arguments)
        if problem is not None:
            return replace(tried, code="invalid_arguments", reason=problem)
    return tried


async def _about_result(material: Material, attachment: Attachment) -> Tried:
    call = replace(material.call, ran=Ran.YES)
    reply = call.reply or Reply(body=b"{}")
    parsed = _decode(reply.body)
    shown = Copies({"error": parsed}) if reply.is_error else Copies(parsed, reply.body)
    before: dict[str, Json] = shown.value
    if attachment.may_skip and attachment.interceptor.may_skip(reply.body):
        return Tried(call=call, before=before, after=before, is_skipped=True)
    about = AboutResult(call.arguments, shown)
    try:
        left, after = await ask_about_result(call, attachment, about, SystemClock())
    except Refused as refused:
        return _refused(call, refused, before)
    return Tried(call=left, changes=left.changes, before=before, after=after)


def _refused(call: Call, refused: Refused, before: dict[str, Json]) -> Tried:
    left = refused.call or call
    return Tried(
        call=left,
        changes=left.changes,
        before=before,
        after=before,
        code=refused.code,
        reason=refused.reason,
        detail=refused.detail,
    )


def _has_failed(tried: Tried) -> bool:
    return any(change.action == "failed" for change in tried.changes)


def _exit_code(tried: Tried) -> int:
    if _has_failed(tried):
        return FAILED
    return WENT_THROUGH if tried.code is None else REFUSED


def _lines(settings: InterceptorSettings, point: str, tried: Tried) -> Iterator[str]:
    call = tried.call
    assert call.tool is not None and call.principal is not None  # noqa: S101 - material has them
    who = printable(f"{call.tool.qualified_name} by {call.principal.id}")
    yield f"{settings.name} ({settings.kind}) on the {point} of {who}"
    if _has_failed(tried):
        yield f"  failed: {printable(tried.changes[-1].note)}"
        goes_on = "goes on without it" if tried.code is None else "is refused"
        yield f"  on_failure: {settings.on_failure}, so that the call {goes_on}"
    elif tried.code is not None:
        yield f"  {_VERDICTS.get(tried.code, tried.code)}: {printable(tried.reason)}"
    elif not tried.changes:
        said = "need not look: nothing in these bytes concerns it" if tried.is_skipped else ""
        yield f"  {said or 'wants nothing: the call goes on as it is'}"
    yield from (f"  {line}" for line in _wishes(tried))
    seconds = sum(change.duration_seconds for change in tried.changes[:1])
    if tried.changes:
        yield f"  took {seconds * 1000:.2f} ms"


_VERDICTS = {
    "refused_by_interceptor": "refuses the call",
    "result_withheld": "withholds the result",
    "approval_required": "asks for a person's approval",
    "invalid_arguments": "changes the arguments so that they do not fit the tool",
}


def _wishes(tried: Tried) -> Iterator[str]:
    call = tried.call
    operations = patch(tried.before, tried.after)
    if operations:
        yield "changes:"
    for operation in operations:
        path = operation["path"] or "/"
        old = value_text(_at(tried.before, path)) if operation["op"] != "add" else ""
        new = value_text(_at(tried.after, path)) if operation["op"] != "remove" else ""
        yield f"  {operation['op']:7} {printable(path)}  {old}{' -> ' if old and new else ''}{new}"
    if call.is_answered and call.reply is not None:
        yield f"answers instead of the target: {value_text(_decode(call.reply.body))}"
    for change in tried.changes:
        if change.action == "enriched":
            for fact, value in call.enriched[change.interceptor].items():
                yield f"fact {change.interceptor}.{fact} = {value_text(value)}"
        if change.labels:
            yield f"labels: {', '.join(map(printable, change.labels))}"
    for name, text in call.onward.items():
        yield f"header for the target: {printable(name)}: {printable(text)}"
    notes = dict.fromkeys(c.note for c in tried.changes if c.note and c.action != "failed")
    yield from (f"note: {printable(note)}" for note in notes)


def _at(value: Json, pointer: str) -> Json:
    """What stands at a JSON pointer (RFC 6901)."""
    for step in pointer.split("/")[1:] if pointer != "/" else ():
        key = step.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def _as_json(
    settings: InterceptorSettings, point: str, tried: Tried, notes: tuple[str, ...]
) -> dict[str, Json]:
    call = tried.call
    answer = _decode(call.reply.body) if call.is_answered and call.reply is not None else None
    return {
        "interceptor": settings.name,
        "kind": settings.kind,
        "point": point,
        "call": call.id,
        "tool": call.tool.qualified_name if call.tool is not None else None,
        "actions": [change.action for change in tried.changes],
        "code": "interceptor_failed" if _has_failed(tried) else tried.code or "ok",
        "reason": tried.reason,
        "detail": tried.detail,
        "patch": list(patch(tried.before, tried.after)),
        "before": tried.before,
        "after": tried.after,
        "answer": answer,
        "labels": list(call.labels),
        "facts": call.enriched.get(settings.name, {}),
        "headers": call.onward,
        "notes": [change.note for change in tried.changes if change.note],
        "is_skipped": tried.is_skipped,
        "seconds": sum(change.duration_seconds for change in tried.changes[:1]),
        "missing": list(notes),
    }
