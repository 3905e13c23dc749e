"""The gateway as its users run it: real processes, sockets, MCP clients and servers."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from callgate.protocol.refusals import META_KEY
from fakes.running import LISTENERS, PROGRAM, Running, fetch, run_stdio_client, running, until

pytestmark = pytest.mark.e2e
PROGRAMS = Path(sys.executable).parent

SHOP = '''
import asyncio, os, time
from pathlib import Path

def refund(customer: str, amount: int, note: str = "") -> dict:
    """Refund a customer."""
    with open("executed.txt", "a") as file:
        file.write(f"{note}\\n")
    return {"refunded": amount, "contact": "bob@example.org"}

async def wait(seconds: float) -> str:
    """Take your time."""
    Path("waiting.txt").touch()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not Path("enough.txt").exists():
        await asyncio.sleep(0.02)
    return "waited"
'''
POLICY = """
@id("refunds") permit(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount <= 500 };
@id("waiting") permit(principal, action == Callgate::Action::"shop___wait", resource);
@id("sundays") @reason("No refunds of exactly 13.")
forbid(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount == 13 };
"""
CONFIG = """
identity: {anonymous: true}
targets:
  shop: {python: shop}
policies: {files: ["*.cedar"]}
"""


def shop(directory: Path, config: str = CONFIG, program: Sequence[str] = ()) -> Any:
    return running(directory, config, program, shop__py=SHOP, p__cedar=POLICY)


def refusal(answer: Any) -> Any:
    return answer["result"]["_meta"][META_KEY]


def test_calls_are_governed_recorded_and_explained(tmp_path: Path) -> None:
    config = CONFIG + "interceptors: [{name: redact, redact: {}, on: [result]}]\n"
    with shop(tmp_path, config, PROGRAM) as gateway:
        _, allowed = gateway.call("shop___refund", customer="c", amount=5)
        _, refused = gateway.call("shop___refund", customer="c", amount=501)
        _, forbidden = gateway.call("shop___refund", customer="c", amount=13)
        _, listed = gateway.post("tools/list")

        assert allowed["result"]["structuredContent"] == {
            "refunded": 5,
            "contact": "[redacted:email]",
        }
        assert refusal(refused)["code"] == "not_permitted"
        assert refusal(forbidden)["reason"].endswith("No refunds of exactly 13.")
        assert [tool["name"] for tool in listed["result"]["tools"]] == [
            "shop___refund",
            "shop___wait",
        ]

        assert [call["code"] for call in gateway.calls(3)] == [
            "not_permitted",
            "not_permitted",
            "ok",
        ]
        words = gateway.callgate("explain", refusal(forbidden)["call"])
        assert "sundays" in words
        assert gateway.callgate("audit", "verify")
        assert gateway.stop() == 0


def test_operators_see_health_metrics_and_calls(tmp_path: Path) -> None:
    with shop(tmp_path) as gateway:
        gateway.call("shop___refund", customer="c", amount=5)
        gateway.calls(1)

        assert fetch(gateway.control + "/healthz")[0] == 200
        status, ready = fetch(gateway.control + "/readyz")
        assert (status, ready["not_ready"]) == (200, [])
        _, calls = fetch(gateway.control + "/api/v1/calls")
        assert "ok" in json.dumps(calls)
        _, policies = fetch(gateway.control + "/api/v1/policies")
        assert "sundays" in json.dumps(policies)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_sdk_client_of_either_era_uses_real_servers_through_it(
    tmp_path: Path, mode: str
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path / "repo"], check=True)
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    commit = ["git", "-C", f"{tmp_path}/repo", *who, "commit", "-q", "--allow-empty", "-m", "first"]
    subprocess.run(commit, check=True)
    config = f"""
identity: {{anonymous: true}}
targets:
  git: {{command: ["{PROGRAMS}/mcp-server-git", "--repository", "{tmp_path}/repo"]}}
  time: {{command: ["{PROGRAMS}/mcp-server-time", "--local-timezone", "UTC"]}}
interceptors: [{{name: redact, redact: {{}}, on: [result]}}]
policies: {{files: ["*.cedar"]}}
"""
    policy = """
permit(principal, action in [Callgate::Action::"git___git_log", Callgate::Action::"git___git_show",
       Callgate::Action::"time"], resource);
"""

    async def scenario(url: str) -> tuple[list[str], str, Any]:
        async with Client(url, mode=mode) as client:
            listed = await client.list_tools()
            shown = await client.call_tool(
                "git___git_show", {"repo_path": f"{tmp_path}/repo", "revision": "HEAD"}
            )
            refused = await client.call_tool("git___git_reset", {"repo_path": f"{tmp_path}/repo"})
            text = getattr(shown.content[0], "text", "")
            return sorted(tool.name for tool in listed.tools), text, refused

    with running(tmp_path, config, p__cedar=policy) as gateway:
        names, text, refused = asyncio.run(scenario(gateway.agents))

    assert names == [
        "git___git_log",
        "git___git_show",
        "time___convert_time",
        "time___get_current_time",
    ]
    assert "first" in text and "ada@example.org" not in text and "[redacted:email]" in text
    assert refused.is_error


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_host_that_starts_servers_gets_the_same_gateway_over_stdio(
    tmp_path: Path, mode: str
) -> None:
    command = [
        "-m",
        "callgate",
        "wrap",
        "--",
        str(PROGRAMS / "mcp-server-time"),
        "--local-timezone",
        "UTC",
    ]
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    async def scenario() -> tuple[list[str], Any]:
        server = StdioServerParameters(command=sys.executable, args=command, env=home)
        async with Client(server, mode=mode) as client:
            listed = await client.list_tools()
            result = await client.call_tool("get_current_time", {"timezone": "UTC"})
            return sorted(tool.name for tool in listed.tools), result

    names, result = run_stdio_client(scenario())

    assert names == ["convert_time", "get_current_time"]
    assert not result.is_error
    (made,) = (tmp_path / ".local/state/callgate/wrap").iterdir()
    assert {"callgate.yaml", "wrap.cedar", "callgate.db"} <= {path.name for path in made.iterdir()}


def a_host(directory: Path) -> subprocess.Popen[bytes]:
    """`callgate wrap`, asked for more than fits into a pipe."""
    server = str(Path(__file__).parents[1] / "fakes" / "stdio_target.py")
    wrap = [sys.executable, "-m", "callgate", "wrap", "--", sys.executable, server, "legacy"]
    env = {"HOME": str(directory), "PATH": os.environ["PATH"]}
    host = subprocess.Popen(
        wrap, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert host.stdin is not None
    call = {"name": "echo", "arguments": {"text": "x" * (1 << 20)}}
    for number, (method, params) in enumerate([("initialize", {}), ("tools/call", call)]):
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        host.stdin.write(json.dumps(asked).encode() + b"\n")
    host.stdin.flush()
    return host


def test_a_host_that_reads_nothing_can_still_end_its_gateway(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        assert host.stdout is not None
        host.stdout.readline()
        assert host.stdout.read(1) == b"{"  # the answer is on its way, and stays there
        host.terminate()
        assert host.wait(timeout=60) == 0


def test_a_host_that_is_gone_ends_its_gateway(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        assert host.stdout is not None
        host.stdout.readline()
        host.stdout.close()
        assert host.wait(timeout=60) == 0


def test_a_changed_policy_takes_effect_and_a_broken_one_does_not(tmp_path: Path) -> None:
    with shop(tmp_path) as gateway:
        assert (
            "structuredContent"
            in gateway.call("shop___refund", customer="c", amount=5)[1]["result"]
        )
        policy = tmp_path / "p.cedar"

        policy.write_text(POLICY.replace("<= 500", "<= 3"))
        gateway.await_log("is in force")
        assert (
            refusal(gateway.call("shop___refund", customer="c", amount=5)[1])["code"]
            == "not_permitted"
        )

        policy.write_text("permit(principal, action, resource")
        gateway.await_log("the old one stays: policies: p.cedar:1:.*not valid Cedar")
        assert (
            refusal(gateway.call("shop___refund", customer="c", amount=5)[1])["code"]
            == "not_permitted"
        )
        assert (
            "structuredContent"
            in gateway.call("shop___refund", customer="c", amount=3)[1]["result"]
        )
        assert "not valid Cedar" in json.dumps(fetch(gateway.control + "/api/v1/config")[1])


def test_a_reload_drops_no_call_and_a_bad_file_names_the_line(tmp_path: Path) -> None:
    with shop(tmp_path) as gateway:
        gateway.call("shop___wait", seconds=0)
        answers: list[Any] = []
        slow = threading.Thread(
            target=lambda: answers.append(gateway.call("shop___wait", seconds=50))
        )
        slow.start()
        file = tmp_path / "callgate.yaml"

        file.write_text(
            CONFIG.replace("python: shop", "python: shop, timeout_seconds: 50") + LISTENERS
        )
        gateway.await_log("is in force")
        file.write_text(CONFIG + LISTENERS + "tragets: {}\n")
        gateway.await_log(r"callgate.yaml:\d+:1: tragets.*targets")
        assert answers == []
        (tmp_path / "enough.txt").touch()
        slow.join()

        assert answers[0][1]["result"]["content"][0]["text"] == "waited"
        assert gateway.call("shop___refund", customer="c", amount=5)[0] == 200


def test_stopping_finishes_what_is_in_flight_and_refuses_what_comes(tmp_path: Path) -> None:
    with shop(tmp_path, program=PROGRAM) as gateway:
        gateway.call("shop___wait", seconds=0)
        waiting = tmp_path / "waiting.txt"
        waiting.unlink()
        answers: list[Any] = []
        slow = threading.Thread(
            target=lambda: answers.append(gateway.call("shop___wait", seconds=50))
        )
        slow.start()
        until(waiting.exists)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.await_log("stopping")
        late = gateway.call("shop___wait", seconds=0)
        (tmp_path / "enough.txt").touch()
        slow.join()

        assert answers[0][1]["result"]["content"][0]["text"] == "waited"
        assert refusal(late[1])["code"] == "shutting_down"
        assert gateway.process.wait(120) == 0


def test_a_second_gateway_on_the_same_port_says_so(tmp_path: Path) -> None:
    with shop(tmp_path) as gateway:
        port = gateway.agents.split(":")[2].split("/")[0]
        other = tmp_path / "other"
        other.mkdir()
        config = CONFIG + f"listeners:\n  agents: {{port: {port}}}\n  control: {{port: 0}}\n"
        with shop(other, config) as second:
            second.await_log(f"cannot listen on 127.0.0.1:{port}: Address already in use")
            assert second.process.wait(120) == 1


def _hammer(gateway: Running, names: list[str], answered: list[str]) -> None:
    for name in names:
        try:
            status, answer = gateway.call("shop___refund", customer="c", amount=5, note=name)
        except OSError:
            return  # killed
        if status == 200 and "structuredContent" in answer["result"]:
            answered.append(name)


def _are_so_many(answered: list[str], number: int) -> bool:
    return len(answered) >= number


def test_a_killed_gateway_has_recorded_every_executed_call(tmp_path: Path) -> None:
    answered: list[str] = []
    for life in range(3):
        with shop(tmp_path) as gateway:
            gateway.call("shop___refund", customer="c", amount=5, note=f"first-{life}")
            threads = [
                threading.Thread(
                    target=_hammer,
                    args=(gateway, [f"{life}-{worker}-{n}" for n in range(500)], answered),
                )
                for worker in range(8)
            ]
            wanted = len(answered) + 30 * (life + 1)
            for thread in threads:
                thread.start()
            until(partial(_are_so_many, answered, wanted))
            gateway.process.kill()
            for thread in threads:
                thread.join()

    with shop(tmp_path) as gateway:
        gateway.call("shop___refund", customer="c", amount=5, note="last")
        calls = gateway.calls(len(answered) + 1)
        assert gateway.callgate("audit", "verify")
    recorded = {call["arguments"]["note"]: call for call in calls}
    executed = (tmp_path / "executed.txt").read_text().split()
    assert len(answered) > 20
    assert set(executed) <= recorded.keys()
    assert set(answered) <= set(executed)
    assert {call["code"] for call in calls} <= {"ok", "interrupted"}


def test_without_its_record_the_gateway_calls_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as gateway:
        gateway.call("shop___refund", customer="c", amount=5, note="before")
        for file in tmp_path.glob("callgate.db*"):
            file.unlink()

        answers = [
            gateway.call("shop___refund", customer="c", amount=5, note="after") for _ in range(3)
        ]

        assert {refusal(answer)["code"] for _, answer in answers} == {"record_unavailable"}
        assert (tmp_path / "executed.txt").read_text() == "before\n"
        assert fetch(gateway.control + "/readyz")[0] == 503


def test_policy_check_tells_what_is_wrong_with_the_policies(tmp_path: Path) -> None:
    (tmp_path / "callgate.yaml").write_text(CONFIG)
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "p.cedar").write_text(
        POLICY + 'forbid(principal, action == Callgate::Action::"shop___refnd", resource);'
    )

    done = subprocess.run(
        [sys.executable, "-m", "callgate", "policy", "check"],
        cwd=tmp_path, capture_output=True, text=True, timeout=180,
    )  # fmt: skip

    assert done.returncode == 1
    assert "target shop: 2 tools" in done.stdout
    assert 'did you mean "shop___refund"?' in done.stdout


def test_stages_are_listed_with_their_times(tmp_path: Path) -> None:
    with shop(tmp_path) as gateway:
        gateway.call("shop___refund", customer="c", amount=5)
        gateway.calls(1)

        text = gateway.callgate("stages", "--profile")

    assert [line.split()[0] for line in text.splitlines() if line[:1].isalpha()][1:4] == [
        "identify",
        "resolve",
        "admit",
    ]
