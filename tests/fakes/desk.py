"""A directory with a small configuration: two API keys, functions as a target, four policies."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from callgate.cli.policy import policy

CONFIG = """\
identity:
  api_keys:
    - {name: sam-key, sha256: "%s", principal: sam, agent: support-agent, groups: [support]}
    - {name: lea-key, sha256: "%s", principal: lea, groups: [support, leads]}
  anonymous: {id: visitor}
targets:
  shop: {python: shop}
interceptors:
  - {name: risk, python: "hooks:risk", enriches: {score: integer}}
"""
SHOP = '''\
"""A shop."""


def refund(order: str, amount: int, note: str = "") -> str:
    """Pay back."""
    return f"{order} {amount} {note}"


def report(month: str) -> str:
    """Say how much was sold."""
    return month
'''
HOOKS = "async def risk(request, context):\n    return None\n"
POLICIES = """\
@id("support-refunds")
permit (
  principal in Callgate::Group::"support",
  action == Callgate::Action::"shop___refund",
  resource == Callgate::Gateway::"main"
);

@id("large-refunds-need-a-lead")
@reason("Hand this over to a lead.")
forbid (
  principal,
  action == Callgate::Action::"shop___refund",
  resource == Callgate::Gateway::"main"
) when {
  context.input.amount > 100
} unless {
  principal in Callgate::Group::"leads"
};

@id("leads-report")
permit (
  principal in Callgate::Group::"leads",
  action == Callgate::Action::"shop___report",
  resource == Callgate::Gateway::"main"
);
"""
TOOLS = {
    "shop": [
        {
            "name": "refund",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "order": {"type": "string"},
                    "amount": {"type": "integer"},
                    "note": {"type": "string"},
                },
                "required": ["order", "amount"],
            },
        },
        {
            "name": "report",
            "inputSchema": {
                "type": "object",
                "properties": {"month": {"type": "string"}},
                "required": ["month"],
            },
        },
    ]
}


def write_desk(directory: Path) -> Path:
    """Writes all of it; `tools.json` is a snapshot."""
    (directory / "policies").mkdir(parents=True)
    for name, text in {
        "callgate.yaml": CONFIG % ("a" * 64, "b" * 64),
        "shop.py": SHOP,
        "hooks.py": HOOKS,
        "policies/shop.cedar": POLICIES,
        "tools.json": json.dumps(TOOLS),
    }.items():
        (directory / name).write_text(text)
    return directory


def ask(*words: str, given: str | None = None) -> Result:
    """Runs `callgate policy …` here."""
    return CliRunner().invoke(policy, words, input=given)
