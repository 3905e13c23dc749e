"""The texts that `callgate init` writes: a configuration and policies to start from, explained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from callgate.config.source import Loader
from callgate.model import Json

CONFIG = """\
# yaml-language-server: $schema=./callgate.schema.json
#
# {title}
#
#   callgate config check    what is wrong with this file, and what it would run
#   callgate run             run it; changes to this file and to policies count at once

# Agents connect to http://127.0.0.1:8080/mcp, operators to port 8081.
listeners:
  agents:
    host: 127.0.0.1
    port: 8080
  control:
    host: 127.0.0.1
    port: 8081

# How callers prove who they are. `anonymous` lets every process on this machine call, and nobody
# else. For people and agents elsewhere, use tokens of your identity provider, or API keys:
#
#   jwt:
#     - issuer: https://login.example.com
#       audience: [callgate]
#   api_keys: []             # `callgate key new --principal NAME` prints an entry
identity:
  anonymous: true

# What agents may reach, each under its own name. One of:
#   url: https://...         an MCP server over HTTP
#   command: ...             an MCP server that is started here
#   python: ...              plain Python functions
# Secrets never stand here: write ${{env:NAME}} or ${{file:PATH}}.
targets:
{targets}
# Who may call which tool, with which arguments: Cedar policies. Without a permit, nobody.
policies:
  files:
    - policies/*.cedar

# Scrutiny before and after each call, in this order. For example, keys and card numbers replaced
# on their way in and out:
#
# interceptors:
#   - name: redact_secrets
#     redact:
#       find: [key, card]
#     on: [request, result]

# Where every call is recorded.
store:
  path: callgate.db
"""

POLICIES = """\
// Who may call which tool. Cedar, one rule: without a permit a call is refused, and a forbid wins
// over every permit. Changes count as soon as this file is saved.
//
// principal  Callgate::UnauthenticatedUser   a caller on this machine, without a proof
//            Callgate::OAuthUser             a caller with a token or an API key
//            Callgate::Group::"NAME"         principal in Callgate::Group::"NAME"
// action     Callgate::Action::"TARGET"      every tool of a target (action in ...)
//            Callgate::Action::"TARGET___TOOL"   one tool (action == ...)
// context    context.input                   the arguments of the call

{permits}
// To narrow a target down, name its tools instead of the whole target:
//
//   action in [
//     Callgate::Action::"{example}___TOOL",
//     Callgate::Action::"{example}___OTHER_TOOL"
//   ],
//
// To decide by arguments, add a condition before the semicolon:
//
//   when {{ context.input has path && context.input.path == "/srv/docs/handbook.md" }};
//
// To let only some people in, configure `identity`, then replace the principal:
//
//   principal in Callgate::Group::"engineering",
"""

PERMIT = """\
@id("may-call-{target}")
permit (
  principal is Callgate::UnauthenticatedUser,
  action in Callgate::Action::"{target}",
  resource == Callgate::Gateway::"main"
);
"""


EXAMPLE_TARGETS: Mapping[str, Json] = {"shop": {"python": "shop"}}
EXAMPLE_MODULE = '''"""A shop's back office: its public functions are tools that agents can call."""

_ORDERS = {
    "A-1001": {"item": "lamp", "paid": 45},
    "A-1002": {"item": "desk", "paid": 380},
}


def find_order(order_id: str) -> dict:
    """Look up an order by its number, such as A-1001."""
    return _ORDERS.get(order_id, {})


def refund(order_id: str, amount: int) -> str:
    """Pay back an amount in euros for an order."""
    return f"Refunded {amount} euros for {order_id}."
'''
EXAMPLE_POLICY = """
// An example: refunds have a limit, whoever permits them. The agent is told the @reason.
@id("refunds-have-a-limit")
@reason("Refunds above 100 euros are made by a person. Offer to pass the request on.")
forbid (
  principal,
  action == Callgate::Action::"shop___refund",
  resource == Callgate::Gateway::"main"
) when { context.input.amount > 100 };
"""


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or our own reader would not take for a text."""

    yaml_implicit_resolvers = {
        first: [*known, *Loader.yaml_implicit_resolvers.get(first, ())]
        for first, known in {
            **dict.fromkeys(Loader.yaml_implicit_resolvers, ()),
            **yaml.SafeDumper.yaml_implicit_resolvers,
        }.items()
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _short_lists_in_one_line(dumper: _Dumper, value: list[Json]) -> yaml.Node:
    is_short = not any(isinstance(item, (dict, list)) for item in value) and len(str(value)) < 80
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=is_short)


_Dumper.add_representer(list, _short_lists_in_one_line)


def yaml_text(value: Json, indent: int = 0) -> str:
    """The value as YAML that reads back as the same value."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return re.sub(r"^(?=.)", " " * indent, text, flags=re.MULTILINE)


def config_text(title: str, targets: Mapping[str, Json]) -> str:
    """callgate.yaml for these targets."""
    block = yaml_text(dict(targets), indent=2) if targets else "  {}\n"
    return CONFIG.format(title=title, targets=block)


def policies_text(targets: Iterable[str], further: str = "") -> str:
    """Permits for every tool of each target, then further policies."""
    names = list(targets)
    permits = [PERMIT.format(target=name) for name in names]
    return POLICIES.format(
        permits="\n".join(permits) + further, example=names[0] if names else "TARGET"
    )
