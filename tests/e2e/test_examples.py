"""Every example, as its README tells it: run, called, refused, explained."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from callgate.protocol.refusals import META_KEY
from fakes.forking import finished
from fakes.running import Running, fetch, run_stdio_client, running

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"
DIRECTORIES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
PROGRAMS = Path(sys.executable).parent
SECRET = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DESK_SECRET", SECRET)
    monkeypatch.setenv("IDP_SECRET", SECRET)
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_" + base64.b64encode(SECRET.encode()).decode())


def copied(name: str, directory: Path) -> Path:
    ignored = shutil.ignore_patterns("*.db*", ".callgate", "__pycache__")
    return shutil.copytree(EXAMPLES / name, directory / name, ignore=ignored)


@contextmanager
def example(name: str, directory: Path) -> Iterator[Running]:
    place = copied(name, directory)
    with running(place, (place / "callgate.yaml").read_text()) as gateway:
        yield gateway


def code(answer: Any) -> str:
    result = answer["result"]
    return str(result["_meta"][META_KEY]["code"]) if META_KEY in result.get("_meta", {}) else "ok"


def reason(answer: Any) -> str:
    return str(answer["result"]["content"][0]["text"])


def names(answer: Any) -> list[str]:
    return [tool["name"] for tool in answer["result"]["tools"]]


@pytest.mark.parametrize("name", DIRECTORIES)
def test_an_example_is_complete_and_its_policies_fit_its_tools(name: str, tmp_path: Path) -> None:
    place = copied(name, tmp_path)

    for words in (["config", "check"], ["policy", "check"], ["policy", "check", "--no-meaning"]):
        done = finished(*words, cwd=place)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no findings\n")
    assert (place / "README.md").exists()


def test_first_policy_decides_by_an_argument(tmp_path: Path) -> None:
    with example("first-policy", tmp_path) as gateway:
        note = {"name": "plan", "text": "One thing."}
        _, listed = gateway.call("notes___list_notes", folder="drafts")
        _, draft = gateway.call("notes___write_note", folder="drafts", **note)
        _, published = gateway.call("notes___write_note", folder="published", **note)
        _, nowhere = gateway.call("notes___write_note", folder="trash", **note)

        assert [code(listed), code(draft)] == ["ok", "ok"]
        assert [code(published), code(nowhere)] == ["not_permitted", "invalid_arguments"]


def test_first_policy_can_be_changed_while_it_runs(tmp_path: Path) -> None:
    with example("first-policy", tmp_path) as gateway:
        assert "notes___write_note" in names(gateway.post("tools/list")[1])
        policies = gateway.directory / "policies" / "notes.cedar"
        text = policies.read_text()

        policies.write_text(text.replace('== "drafts"', '== "drafts" || true'))
        gateway.await_log("is in force")
        _, published = gateway.call("notes___write_note", folder="published", name="x", text="y")
        assert code(published) == "ok"

        policies.write_text(text.replace("folder", "foldr"))
        line = gateway.await_log("is not used, the old one stays")
        assert "write-drafts" in line.string

        policies.write_text(text.partition("// The same tool")[0])
        fetch(f"{gateway.control}/api/v1/reload", b"")
        assert "notes___write_note" not in names(gateway.post("tools/list")[1])


def test_refund_desk_decides_by_claims_money_and_facts(tmp_path: Path) -> None:
    with example("refund-desk", tmp_path) as gateway:
        iban = "DE02120300000000202051"

        def refund(token: str, order: str, amount: float) -> Any:
            params = {
                "name": "desk___refund",
                "arguments": {"order": order, "amount": amount, "iban": iban},
            }
            return gateway.post("tools/call", params, Authorization=f"Bearer {token}")[1]

        sam, lea = (
            minted(gateway.directory, "sam", "clerk"),
            minted(gateway.directory, "lea", "lead"),
        )
        small, large, late = (
            refund(sam, "A-1", 79.9),
            refund(sam, "A-2", 500),
            refund(sam, "A-3", 10),
        )
        by_lead, again = refund(lea, "A-2", 500), refund(lea, "A-2", 500)
        too_fine, unknown = refund(lea, "A-1", 0.00001), refund(lea, "A-9", 5)

        assert [code(small), code(by_lead)] == ["ok", "ok"]
        assert {code(one) for one in (large, late, again, too_fine)} == {"not_permitted"}
        assert code(unknown) == "refused_by_interceptor"
        assert "Offer a voucher" in reason(late)
        assert "more than is left" in reason(again)

        calls = gateway.calls(7)
        assert [call["arguments"]["iban"] for call in calls] == ["***"] * len(calls)
        assert iban not in gateway.callgate("explain", calls[0]["call"])
        told = gateway.callgate("explain", again["result"]["_meta"][META_KEY]["call"])
        assert "It would be permitted if amount were 450 instead of 500" in told
        assert "never called: desk___find_order" in gateway.callgate("usage")
        assert "no-more-than-was-paid" in gateway.callgate("review", "--last")
        assert {call["principal"]["agent"] for call in calls} == {"desk-agent"}


def minted(directory: Path, name: str, role: str) -> str:
    command = [sys.executable, "mint.py", name, role]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_your_own_server_runs_behind_the_gateway(tmp_path: Path) -> None:
    with example("your-own-server", tmp_path) as gateway:
        _, listed = gateway.post("tools/list")
        _, added = gateway.call("todo___add_item", text="water the plants")
        _, urgent = gateway.call("todo___add_item", text="run!", priority=1)
        _, cleared = gateway.call("todo___clear", confirm=True)
        _, own_names = gateway.post("tools/list", path="/todo")

        assert names(listed) == ["todo___list_items", "todo___add_item"]
        assert names(own_names) == ["list_items", "add_item"]
        assert "2 things to do for the team" in reason(added)
        assert reason(urgent).endswith("Only people set priority 1 or 2.")
        assert reason(cleared).endswith("Ask the owner.")


def test_your_own_server_can_be_wrapped(tmp_path: Path) -> None:
    place = copied("your-own-server", tmp_path)
    words = ["wrap", "--name", "todo", "--policies", "policies/todo.cedar", "--"]
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "callgate", *words, "python", "server.py"],
        cwd=place,
        env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path / "state")},
    )

    async def scenario() -> tuple[list[str], bool, bool]:
        async with Client(server) as client:
            listed = await client.list_tools()
            added = await client.call_tool("add_item", {"text": "water the plants"})
            urgent = await client.call_tool("add_item", {"text": "run!", "priority": 1})
            return [tool.name for tool in listed.tools], added.is_error, urgent.is_error

    assert run_stdio_client(scenario()) == (["list_items", "add_item"], False, True)


def test_a_gateway_is_written_for_the_configuration_you_have(tmp_path: Path) -> None:
    place = copied("your-own-server", tmp_path)

    words = ["init", "gateway", "--from", "claude_desktop_config.json"]
    done = finished(*words, cwd=place)
    assert done.returncode == 0, done.stderr

    made = (place / "gateway" / "callgate.yaml").read_text()
    assert "python" in made and "t0p-s3cret-value" not in made
    assert "t0p-s3cret-value" in (place / "gateway" / "callgate.secrets.env").read_text()
    changed = json.loads((place / "claude_desktop_config.json.callgate.json").read_text())
    assert list(changed["mcpServers"]) == ["callgate"]
