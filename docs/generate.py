"""Writes the generated parts of the documentation: settings, refusal codes, commands.

`python docs/generate.py` rewrites what stands between `<!-- generated: NAME -->` and
`<!-- /generated -->`; a test says when that was forgotten.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import click

from callgate.cli import commands as callgate
from callgate.config import Config
from callgate.protocol.jsonrpc import REFUSED
from callgate.protocol.refusals import REFUSALS

DOCS = Path(__file__).parent
REGION = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
HELP_WIDTH = 92

Schema = Mapping[str, Any]


def settings() -> str:
    """Every block of callgate.yaml, with every setting in it."""
    schema = Config.model_json_schema()
    return "\n".join(_block("", schema, schema["$defs"])).strip()


def _block(path: str, schema: Schema, known: Mapping[str, Schema]) -> Iterator[str]:
    """One block as a table, then the blocks within it."""
    rows, inner = [], []
    for name, field in schema["properties"].items():
        blocks = list(_blocks(f"{path}.{name}".lstrip("."), field, known))
        inner += blocks
        if path or not blocks:
            is_needed = name in schema.get("required", ())
            rows.append(
                _row(name, field, is_needed=is_needed, block=blocks[0][0] if blocks else "")
            )
    if path:
        yield f"### {_heading(path)}\n"
        yield f"{_text(schema)}\n"
    if rows:
        yield "| setting | value | default | meaning |\n|---|---|---|---|"
        yield "\n".join(rows) + "\n"
    for place, of in inner:
        yield from _block(place, of, known)


def _blocks(path: str, field: Schema, known: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """The blocks that a field leads to, each with where it stands."""
    if "$ref" in field:
        yield path, known[field["$ref"].rpartition("/")[2]]
    for option in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        found = list(_blocks(path, option, known))
        for _, of in found:
            kind = f" ({of['required'][0]})" if "oneOf" in field else ""
            yield path + kind, of
    if isinstance(field.get("items"), dict):
        yield from _blocks(f"{path}[]", field["items"], known)
    if isinstance(field.get("additionalProperties"), dict):
        yield from _blocks(f"{path}.<name>", field["additionalProperties"], known)


def _heading(path: str) -> str:
    place, _, kind = path.partition(" (")
    return f"`{place}`" + (f" with `{kind[:-1]}`" if kind else "")


def _row(name: str, field: Schema, *, is_needed: bool, block: str) -> str:
    value = "a block, see below" if block else _value(field)
    default = "" if block else _default(field.get("default"))
    if is_needed:
        default = "needed"
    return f"| `{name}` | {value} | {default} | {_text(field)} |"


def _text(schema: Schema) -> str:
    said = " ".join(str(schema.get("description", "")).split())
    return said.replace("|", "\\|").replace("<", "&lt;") if "`" not in said else said


def _default(default: Any) -> str:
    if default in (None, [], {}, ""):
        return ""
    if isinstance(default, list):
        return ", ".join(f"`{item}`" for item in default)
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float) and default.is_integer():
        return f"`{int(default)}`"
    return f"`{default}`"


def _value(schema: Schema) -> str:
    """What may stand there, in words."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        options = [_value(option) for option in schema["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(options))
    of_type = schema.get("type")
    if of_type == "array":
        return f"list of {_value(schema.get('items', {}))}"
    if of_type == "object":
        values = schema.get("additionalProperties")
        return f"mapping to {_value(values) if isinstance(values, dict) else 'any value'}"
    if of_type in ("integer", "number"):
        return ", ".join((of_type, *_bounds(schema)))
    return _TEXTS.get(schema.get("format", ""), _TYPES.get(str(of_type), "any value"))


_TYPES = {"string": "text", "boolean": "`true` or `false`"}
_TEXTS = {"path": "path", "date-time": "instant", "password": "secret, as a reference"}


def _bounds(schema: Schema) -> Iterator[str]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for key, sign in signs.items():
        if key in schema:
            yield f"{sign} {schema[key]:g}" if schema[key] < 1e6 else f"{sign} {schema[key]}"


def refusals() -> str:
    """Every refusal code, with what it means and how it goes over the wire."""
    rows = ["| code | meaning | goes to the agent as |", "|---|---|---|"]
    for code, refusal in REFUSALS.items():
        form = f"tool result, or error {REFUSED}"
        if refusal.error_code is not None:
            form = f"error {refusal.error_code}"
        rows.append(f"| `{code}` | {refusal.meaning} | {form} |")
    return "\n".join(rows)


def commands() -> str:
    """Every command, with its own help text."""
    return "\n".join(_command(callgate, "callgate")).strip()


def _command(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        if name != "callgate":
            yield f"## {name}\n\n{(command.help or '').strip()}\n"
        for inner in command.commands.values():
            yield from _command(inner, f"{name} {inner.name}")
        return
    command = copy(command)
    command._help_option = None  # click keeps the one that it made for whoever asked first
    # `max_content_width` and `-h` come from the group, whose context is the parent.
    inherited = callgate.context_settings
    parent = click.Context(callgate, info_name="", terminal_width=HELP_WIDTH, **inherited)
    context = click.Context(command, info_name=name, parent=parent, terminal_width=HELP_WIDTH)
    text = command.get_help(context).replace("Usage:  callgate", "Usage: callgate")
    level = "##" if name.count(" ") == 1 else "###"
    yield f"{level} {name}\n\n```text\n{text}\n```\n"


REGIONS: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "refusals": refusals,
    "commands": commands,
}


def regenerated(text: str) -> str:
    """A page with its generated parts as they must be."""
    return REGION.sub(lambda region: f"{region[1]}{REGIONS[region[2]]()}\n{region[3]}", text)


def main() -> None:
    """Rewrites every page that is not as it must be."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text("utf-8")
        if regenerated(text) != text:
            page.write_text(regenerated(text), "utf-8")
            sys.stdout.write(f"wrote {page.name}\n")


if __name__ == "__main__":
    main()
