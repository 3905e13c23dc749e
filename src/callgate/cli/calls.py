"""`callgate calls`: what was called, by whom and how it ended; found by anything recorded."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace
from rich.console import Console

from callgate.audit.questions import Condition
from callgate.audit.searching import SearchError
from callgate.cli.calls_table import WIDE, aligned, cells_of, plain, table, widths_of
from callgate.cli.instants import Instant
from callgate.cli.store import open_records, store_options
from callgate.model import Json
from callgate.ports import CallFilter, CursorError, Page, StoreError
from callgate.storage.reading import Records

LOOK_EVERY_SECONDS = 0.5


class Where(click.ParamType[Condition]):
    """A condition on something within a call: `arguments.amount>=500`."""

    name = "condition"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Condition:
        """The condition that is written."""
        if isinstance(value, Condition):
            return value
        try:
            return Condition.parse(value)
        except ValueError as error:
            self.fail(str(error))


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what calls are chosen by; the names are those of `CallFilter`."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


_FILTERS = (
    click.option("--principal", help="Only calls of this principal."),
    click.option("--agent", help="Only calls of this agent."),
    click.option("--tenant", help="Only calls of principals of this tenant."),
    click.option("--target", help="Only calls to this target."),
    click.option("--tool", help="Only calls of this tool: `log`, or `git___log`."),
    click.option("--tool-sha256", help="Only calls of tools with this definition."),
    click.option("--method", help="Only this MCP method: `tools/call`, `resources/read`, …"),
    click.option("--code", help="Only calls that ended so: `ok`, or a refusal code."),
    click.option("--refused", "is_refused", is_flag=True, help="Only calls that were refused."),
    click.option(
        "--ran",
        type=click.Choice(["yes", "no", "unknown"]),
        help="Only where the tool ran, or not.",
    ),
    click.option(
        "--delivered/--undelivered",
        "is_delivered",
        default=None,
        help="Only where the result was delivered, or was not.",
    ),
    click.option("--run", help="Only calls of this run."),
    click.option("--session", help="Only calls of this MCP session."),
    click.option("--trace", help="Only calls with this trace id (W3C trace context)."),
    click.option("--policy", help="Only calls that this policy decided."),
    click.option("--interceptor", help="Only calls that this interceptor did something to."),
    click.option("--label", help="Only calls with this label."),
    click.option(
        "--where",
        type=Where(),
        multiple=True,
        help="Only calls where this holds: `arguments.amount>=500`, `arguments.to~example.com`; "
        "with = != < <= > >= ~ (contains). Several: all must hold.",
    ),
    click.option(
        "--search",
        "text",
        help='Words in arguments, results and reasons: `refund "wire transfer" trans* -draft`.',
    ),
    click.option(
        "--lists", "with_lists", is_flag=True, help="Also lists of tools, resources, prompts."
    ),
    click.option("--since", type=Instant(), help="From when on: `2h`, `7d`, `2026-10-01T12:00Z`."),
    click.option("--until", type=Instant(), help="Up to when."),
)


@click.command()
@store_options
@filter_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--after", help="Go on where an earlier page ended, with the same options.")
@click.option("--follow", "-f", is_flag=True, help="Then show calls as they end, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="All that is recorded, one call a line.")
def calls(
    config: Path | None, store: str | None, as_json: bool, follow: bool, **chosen: Any
) -> None:
    """List recorded calls, newest first.

    With --follow the latest come first in time, and then each call as it ends.
    """
    if follow and chosen["after"] is not None:
        raise click.UsageError("--follow begins now, --after goes back: choose one of them")
    records = open_records(config, store)
    wanted = CallFilter(**chosen)
    try:
        if follow:
            with suppress(KeyboardInterrupt):
                _show_live(followed(records, wanted, _wait), as_json=as_json)
            return
        page = found(records, wanted)
    except (CursorError, SearchError) as error:
        raise click.UsageError(str(error)) from None
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    _show(page, as_json=as_json)


def found(records: Records, chosen: CallFilter) -> Page:
    """As many calls as wanted, however often that must be asked."""
    calls: list[dict[str, Json]] = []
    following, behind = chosen.after, 0
    while True:
        rest = replace(chosen, after=following, limit=chosen.limit - len(calls))
        page = records.calls(rest)
        calls += page.calls
        following, behind = page.next, max(behind, page.behind)
        if following is None or len(calls) >= chosen.limit:
            return Page(calls=tuple(calls), next=following, behind=behind)


def followed(
    records: Records, chosen: CallFilter, wait: Callable[[], bool]
) -> Iterator[dict[str, Json]]:
    """The latest calls, the oldest of them first, then each as it ends, until `wait` says False."""
    now = records.ended(CallFilter())
    latest = found(records, chosen).calls
    yield from reversed(latest)
    shown = {call["call"] for call in latest if call["code"] is not None}
    following = now.next
    while True:
        page = records.ended(replace(chosen, after=following, limit=1000))
        yield from (call for call in page.calls if call["call"] not in shown)
        following = page.next
        if not page.calls:
            shown.clear()
            if not wait():
                return


def _wait() -> bool:
    time.sleep(LOOK_EVERY_SECONDS)
    return True


def _show(page: Page, *, as_json: bool) -> None:
    if as_json:
        for call in page.calls:
            click.echo(json.dumps(call))
    elif sys.stdout.isatty():
        console = Console()
        console.print(table(page.calls, is_wide=console.width >= WIDE))
    else:
        click.echo(plain(page.calls))
    if page.next is not None:
        click.echo(f"There are more: the same again with --after {page.next}", err=True)


def _show_live(calls: Iterator[dict[str, Json]], *, as_json: bool) -> None:
    widths = widths_of(())
    for call in calls:
        if as_json:
            click.echo(json.dumps(call))
        else:
            cells = cells_of(call)
            widths = [max(pair) for pair in zip(widths, map(len, cells), strict=True)]
            click.echo(aligned(cells, widths))
        sys.stdout.flush()
