"""What the demo prints: the story as tables, and what to try next."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate.audit.explain import printable
from callgate.demo.directory import KEYS, Demo
from callgate.demo.playing import Listed, Played
from callgate.demo.story import Part
from callgate.model import SEPARATOR, Json, Value

PLAIN_WIDTH = 100  # where there is no terminal to ask
CALL_WIDTH = 30
NOT_PERMITTED = "Policy does not permit this call."
_PHASES = {"request": "rewritten", "result": "redacted"}


class Refusal(Value):
    """A call that policy refused."""

    number: int  # in the story
    id: str  # enough of it to be the only one


def console_for_stdout() -> Console:
    """Colours on a terminal, plain text elsewhere."""
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


def show_beginning(console: Console, demo: Demo, url: str) -> None:
    """What is up, and where it is written down."""
    console.print(Text("Callgate demo", style="bold"))
    console.print(f"A gateway is up at {url}, with three targets behind it:", soft_wrap=True)
    console.print("  git, time   real MCP servers, started by the gateway")
    console.print("  shop        plain Python functions, no server at all")
    made = "was made just now" if demo.is_new else "was there already and is used as it is"
    console.print(
        f"Its directory, {shown_path(demo.path)}, {made}. Three agents call through it.",
        soft_wrap=True,
    )


def show_part(console: Console, part: Part, agent: str, listed: Listed, all_tools: int) -> None:
    """Who comes next, and which tools it is shown."""
    targets = Counter(name.partition(SEPARATOR)[0] for name in listed.tools)
    each = ", ".join(f"{target} {count}" for target, count in sorted(targets.items()))
    console.print()
    console.print(Text(f"{part.who}; {agent} acts for {part.principal}.", style="bold"))
    console.print(f"Of {all_tools} tools, it is shown {len(listed.tools)}: {each}.")


def show_calls(console: Console, played: Sequence[Played], first: int) -> None:
    """The calls of one principal as a table. `first` is the number of the first call."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("#", width=2)
    table.add_column("call", width=CALL_WIDTH, overflow="fold")
    table.add_column("outcome", width=9)
    table.add_column("why, as recorded", overflow="fold")
    for number, one in enumerate(played, start=first):
        what, style = outcome_of(one.call)
        call = Text(one.step.tool)
        call.append(f"\n{_arguments(one.step.arguments)}", style="dim")
        table.add_row(str(number), call, Text(what, style=style), Text(why(one.call)))
    console.print(table)


def outcome_of(call: dict[str, Json]) -> tuple[str, str]:
    """How a recorded call ended, in a word or two, and its colour."""
    if call["code"] != "ok":
        return "refused", "red"
    phases = {change["phase"] for change in call.get("changes") or ()}
    words = [word for phase, word in _PHASES.items() if phase in phases]
    return ", ".join(words) or "allowed", "yellow" if words else "green"


def why(call: dict[str, Json]) -> str:
    """Why a recorded call ended as it did, in one or two sentences."""
    reason = str(call.get("reason") or "")
    if call["code"] == "ok":
        said = [str((call.get("decision") or {}).get("reason"))]
        said += [f"{change['interceptor']}: {change['note']}" for change in call.get("changes", ())]
        return printable("; ".join(said))
    if reason.startswith(NOT_PERMITTED):
        advice = reason.removeprefix(NOT_PERMITTED).strip()
        told = f'; the agent is told: "{advice}"' if advice else ""
        return printable(f"{call.get('detail')}{told}")
    return printable(reason)


def show_sum(console: Console, calls: Sequence[dict[str, Json]]) -> None:
    """The story in one line."""
    counts = Counter(outcome_of(call)[0] for call in calls)
    refused = counts.pop("refused", 0)
    permitted, changed = counts.total(), [f"{counts[word]} {word}" for word in _PHASES.values()]
    console.print(
        f"\n{len(calls)} calls: {permitted} permitted, {' and '.join(changed)} among them, and "
        f"{refused} refused. All of them are on record."
    )


def _arguments(arguments: dict[str, Json]) -> str:
    return ", ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in arguments.items()
    )


def show_problems(console: Console, problems: Sequence[str]) -> None:
    """Where the story did not come out as told."""
    console.print()
    for problem in problems:
        console.print(Text(f"Not as expected: {problem}.", style="red"))


def show_next(console: Console, demo: Demo, url: str, refused: Refusal, *, is_up: bool) -> None:
    """What to try, to copy and paste."""
    callgate, config = program(), shlex.quote(shown_path(demo.config))
    console.print()
    lead = "Your turn, in another terminal:" if is_up else "Your turn:"
    console.print(Text(lead, style="bold"))
    steps = [
        ("what was called, by whom", f"{callgate} calls --config {config}"),
        (
            f"why call {refused.number} was refused",
            f"{callgate} explain {refused.id} --config {config}",
        ),
        ("do the policies fit the tools", f"{callgate} policy check --config {config}"),
        ("was the record changed", f"{callgate} audit verify --config {config}"),
    ]
    if not is_up:
        steps.append(("start the gateway again", f"{callgate} run --config {config}"))
    for what, command in [*steps, *_with_gateway(demo, url)]:
        console.print(Text(f"  {what}", style="dim"))
        # Never wrapped: a command must be whole when it is copied.
        console.print(Text(f"    {command}", style="cyan"), soft_wrap=True)
    console.print()
    policies = shown_path(demo.path / "policies" / "shop.cedar")
    console.print(
        f"Then change a line in {policies}, such as the 100, and call again: "
        "it counts within a second."
    )


def _with_gateway(demo: Demo, url: str) -> Iterator[tuple[str, str]]:
    """What to try while the gateway is up."""
    script = shlex.quote(shown_path(demo.path / "call.sh"))
    call = script if "/" in script.strip("'") else f"./{script}"
    if url not in (demo.path / "call.sh").read_text("utf-8"):
        call = f"CALLGATE_URL={url} {call}"
    arguments = shlex.quote('{"order": "A-1001", "amount": 480, "reason": "torn"}')
    yield (
        "call a tool yourself, as sam (call.sh is one curl)",
        f"{call} sam shop___refund {arguments}",
    )
    keys = f". {shlex.quote(_sourced(demo.path / KEYS))}"
    header = '"X-API-Key: $LEA_KEY"'
    yield (
        "connect Claude Code, as lea",
        f"{keys} && claude mcp add --transport http callgate {url} --header {header}",
    )
    yield (
        "or look around with the MCP Inspector (Node 22)",
        f"{keys} && npx @modelcontextprotocol/inspector@latest --cli {url} --transport http "
        f"--method tools/list --header {header}",
    )


def _sourced(path: Path) -> str:
    """The path as `.` takes it: without a slash, it would be looked for on the PATH."""
    shown = shown_path(path)
    return shown if "/" in shown else f"./{shown}"


def program() -> str:
    """How the person at the terminal starts this program, in any terminal in this directory."""
    beside = Path(sys.executable).parent / "callgate"
    is_found = shutil.which("callgate") is not None
    # `make` and `uv run` put a virtual environment on the PATH of this process only.
    if beside.exists() and (not is_found or beside.is_relative_to(Path.cwd())):
        return shlex.quote(shown_path(beside))
    return "callgate" if is_found else "python -m callgate"


def shown_path(path: Path) -> str:
    """The path as short as it can be from here."""
    path = path if path.is_absolute() else Path.cwd() / path
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
