"""From a refusal to a policy test: explained, reviewed, judged and exported, on a real gateway."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callgate.protocol.refusals import META_KEY
from fakes.forking import finished
from fakes.pages import read
from fakes.running import Running, running

pytestmark = pytest.mark.e2e

SHOP = '''
def find(customer: str) -> dict:
    """Find a customer."""
    return {"customer": customer, "order": "A-1002-XK"}

def refund(order: str, amount: int) -> dict:
    """Refund an order."""
    return {"refunded": amount}
'''
POLICY = """
@id("finding") permit(principal, action == Callgate::Action::"shop___find", resource);
@id("refunds") permit(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount <= 100 };
"""
CONFIG = """
identity: {anonymous: true}
targets:
  shop: {python: shop}
policies: {files: ["*.cedar"]}
listeners:
  agents: {port: 0}
  control: {port: 0, operators: {ada: "${file:ada.key}"}}
"""


def refusal(answer: Any) -> Any:
    return answer["result"]["_meta"][META_KEY]


def command(gateway: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    return finished(*arguments, cwd=gateway.directory)


def test_a_refusal_leads_to_its_explanation_a_verdict_and_a_test_case(tmp_path: Path) -> None:
    (tmp_path / "ada.key").write_text("a-token-of-ada-that-is-long-enough-for-this")
    with running(tmp_path, CONFIG, shop__py=SHOP, p__cedar=POLICY) as gateway:
        gateway.call("shop___find", customer="somebody")
        gateway.call("shop___refund", order="A-1002-XK", amount=60)
        _, refused = gateway.call("shop___refund", order="A-1002-XK", amount=480)
        call = refusal(refused)["call"]  # what the agent is given leads here

        gateway.calls(3)
        words = gateway.callgate("explain", call)
        assert "It would be permitted if amount were 100 instead of 480" in words
        assert "/order is what shop___find" in words

        told = gateway.callgate("review", call)
        assert "3 calls, 2 let through, 1 refused" in told
        assert "/order from call 1 /structuredContent/order: the same value" in told

        ada = ("--control", gateway.control, "--as", "ada")
        given = gateway.callgate(
            "review", call, "--verdict", "3=over-blocked", "--note", "a lead asked for it", *ada
        )
        assert given == f"{call}: over-blocked\n"
        wrong = command(gateway, "review", call, "--verdict", "3=missed", *ada)
        assert wrong.returncode == 1
        assert "was not let through, so that nothing was missed" in wrong.stderr
        assert "ada says over-blocked: a lead asked for it" in gateway.callgate("review", call)

        exported = gateway.callgate("review", "export-cases", "--output", "policies/tests/v.yaml")
        assert exported == "policies/tests/v.yaml: 1 cases\n"
        assert command(gateway, "policy", "test").returncode == 1
        better = POLICY.replace("<= 100", "<= 500")
        (tmp_path / "p.cedar").write_text(better)
        assert command(gateway, "policy", "test").returncode == 0

        used = gateway.callgate("usage")
        assert "tools: 2 of 2 were called" in used
        gateway.callgate("review", "--last", "--html", "run.html")
        gateway.callgate("report", "--html", "week.html")
        for name in ("run.html", "week.html"):
            assert "shop___refund" in read((tmp_path / name).read_text("utf-8")).text
        runs = json.loads(gateway.callgate("review", call, "--json"))["run"]
        assert runs.startswith("r")
        assert gateway.stop() == 0
    assert gateway.callgate("audit", "verify")
