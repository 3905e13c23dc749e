"""`callgate interceptor run`: one interceptor, tried on a recorded call or on files."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from pydantic import ValidationError

from callgate.app.chains import build_attachment
from callgate.app.clock import SystemClock
from callgate.app.parts import PartError
from callgate.audit.explain import printable
from callgate.audit.patch import patch
from callgate.cli.interceptor.material import Given, Material, of_file, of_record
from callgate.cli.interceptor.trying import DROPPED, Tried, looks_at, tried_at
from callgate.cli.policy.asking import Pairs, json_or_text
from callgate.cli.policy.grounds import CannotSay, Chosen, config_options, configured
from callgate.cli.policy.telling import value_text
from callgate.cli.store import StorePlace, open_records
from callgate.config import Config
from callgate.config.validation import nearest
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import SEPARATOR, Json
from callgate.pipeline.attaching import ERROR, LIST, MESSAGE, REQUEST, RESULT, Attachment
from callgate.protocol.mcp import is_tool_error
from callgate.testing.governing import bare_config

WENT_THROUGH, REFUSED, FAILED = 0, 1, 2
SCRIPT = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
_FILE = click.Path(path_type=Path, dir_okay=False)
_decode = msgspec.json.Decoder().decode


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
    "--message",
    type=_FILE,
    help="A message of the target in the middle of the call, in a JSON file: progress, or a log "
    "message. The interceptor is asked about it then.",
)
@click.option(
    "--list",
    type=_FILE,
    help="A list, in a JSON file: a result of tools/list, resources/list and so on, or what "
    "`callgate policy tools` writes. The interceptor is asked about it then.",
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

    The interceptor is a function in a Python file, or one of the configuration by its name. It is
    asked about the request, or else about what --result, --message or --list gives.

    Exit codes: 0 the call would go on, 1 it is refused, its result or the list withheld or the
    message dropped, 2 the interceptor fails, or cannot be asked.
    """
    point = _point(options)
    settings, config = _chosen(interceptor, chosen, options, point)
    given = Given(
        targets=tuple(config.targets),
        headers=options["headers"],
        claims={name: json_or_text(text) for name, text in options["claims"]},
        facts=_facts(options["facts"]),
        tools=options["tools"],
        result=options["result"],
        message=options["message"],
        list=options["list"],
    )
    material = _material(chosen, options, given)
    if point == REQUEST and REQUEST not in settings.on:
        point = _other_point(settings, material)
    tried, notes = asyncio.run(_tried(settings, config, material, point))
    if as_json:
        click.echo(json.dumps(_as_json(settings, point, material, tried, notes), indent=2))
    else:
        for note in notes:
            click.echo(f"note: {printable(note)}", err=True)
        for line in _lines(settings, point, material, tried):
            click.echo(line)
    sys.exit(_exit_code(tried))


def _point(options: dict[str, Any]) -> str:
    given = [one for one in (RESULT, MESSAGE, LIST) if options[one] is not None]
    if len(given) > 1:
        raise click.UsageError("give one of --result, --message, --list")
    return given[0] if given else REQUEST


def _other_point(settings: InterceptorSettings, material: Material) -> str:
    """Where it is asked that is not asked about requests. Raises CannotSay."""
    points = ", ".join(sorted(settings.on))
    if settings.on.isdisjoint((RESULT, ERROR)):
        options = " or ".join(
            f"--{point} FILE" for point in (MESSAGE, LIST) if point in settings.on
        )
        raise CannotSay(f"{settings.name} is asked about: {points}. Give one: {options}")
    if material.call.reply is None:
        raise CannotSay(
            f"{settings.name} is asked about: {points}. There is no result of this call to "
            "ask about; give one: --result FILE"
        )
    return RESULT


def _material(chosen: Chosen, options: dict[str, Any], given: Given) -> Material:
    is_list = given.list is not None  # for which nobody need be named
    if (options["call_id"] is None) is (options["request"] is None) and not (
        is_list and options["call_id"] is None
    ):
        raise click.UsageError("say which call: --call CALL_ID, or --request FILE")
    if options["call_id"] is None:
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
            hint = nearest(interceptor, names) if names else "or FILE.py:FUNCTION"
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
        tried = await tried_at(point, material, attachment)
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
    if not attachment.applies(ERROR if is_error else point, call.tool) or (
        point == LIST and not _has_business(attachment, material)
    ):
        yield f"the gateway does not ask {settings.name} about this: see its `on`, `tools`, …"
    elif not attachment.is_asked_about(call):
        yield f"the gateway does not ask {settings.name} about this call: `when` does not hold"
    if not looks_at(point, attachment):
        yield f"interceptors of the kind {settings.kind} do not look at {point}s"
    if settings.mode == "observe":
        yield f"{settings.name} only observes in the gateway: what it wants is not done there"


def _has_business(attachment: Attachment, material: Material) -> bool:
    """Whether any item of the list is shown to it."""
    targets = {target for target, _ in material.items}
    if attachment.targets is not None:
        return not targets.isdisjoint(attachment.targets)
    if attachment.tools is not None:
        return not targets.isdisjoint(tool.partition(SEPARATOR)[0] for tool in attachment.tools)
    return True


def _has_failed(tried: Tried) -> bool:
    return any(change.action == "failed" for change in tried.changes)


def _exit_code(tried: Tried) -> int:
    if _has_failed(tried):
        return FAILED
    return WENT_THROUGH if tried.code is None else REFUSED


def _lines(
    settings: InterceptorSettings, point: str, material: Material, tried: Tried
) -> Iterator[str]:
    yield f"{settings.name} ({settings.kind}) on the {printable(_about(point, material))}"
    words = _WORDS[point]
    if _has_failed(tried):
        yield f"  failed: {printable(tried.changes[-1].note)}"
        goes_on = words.without if tried.code is None else words.refused
        yield f"  on_failure: {settings.on_failure}, so that the {goes_on}"
    elif tried.code is not None:
        verdict = _VERDICTS.get(tried.code, tried.code)
        verdict = f"{verdict.removesuffix('result')}list" if point == LIST else verdict
        yield f"  {verdict}: {printable(tried.reason)}" if tried.reason else f"  {verdict}"
    elif not tried.changes:
        said = "need not look: nothing in these bytes concerns it" if tried.is_skipped else ""
        yield f"  {said or f'wants nothing: the {words.as_it_is}'}"
    yield from (f"  {line}" for line in _wishes(tried))
    seconds = sum(change.duration_seconds for change in tried.changes[:1])
    if tried.changes:
        yield f"  took {seconds * 1000:.2f} ms"


def _about(point: str, material: Material) -> str:
    """What it was asked about: `request of shop___refund by ada`, `list tools/list for ada`."""
    call = material.call
    assert call.tool is not None and call.principal is not None  # noqa: S101 - material has them
    name, who = call.tool.qualified_name, call.principal.id
    if point == LIST:
        return f"list {name if call.tool.target else call.method} for {who}"
    if point == MESSAGE and material.message is not None:
        return f"message {material.message.method} of {name} to {who}"
    return f"{point} of {name} by {who}"


class _Words(NamedTuple):
    """What becomes of what was asked about."""

    as_it_is: str
    without: str
    refused: str


_CALL = _Words("call goes on as it is", "call goes on without it", "call is refused")
_WORDS = {
    REQUEST: _CALL,
    RESULT: _CALL,
    MESSAGE: _Words(
        "message is passed on as it is", "message is passed on without it", "message is dropped"
    ),
    LIST: _Words("list is shown as it is", "list is shown without it", "list is not shown"),
}
_VERDICTS = {
    "refused_by_interceptor": "refuses the call",
    "result_withheld": "withholds the result",
    "approval_required": "asks for a person's approval",
    "invalid_arguments": "changes the arguments so that they do not fit the tool",
    DROPPED: "drops the message",
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
    settings: InterceptorSettings,
    point: str,
    material: Material,
    tried: Tried,
    notes: tuple[str, ...],
) -> dict[str, Json]:
    call = tried.call
    answer = _decode(call.reply.body) if call.is_answered and call.reply is not None else None
    return {
        "interceptor": settings.name,
        "kind": settings.kind,
        "point": point,
        "call": call.id,
        "tool": call.tool.qualified_name if call.tool is not None and call.tool.target else None,
        "method": call.method if material.message is None else material.message.method,
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
