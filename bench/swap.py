"""Swapping a large policy set while calls run: how long it takes, and how long anything waits."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from callgate.app.application import Application
from callgate.app.process import _rare_collections
from callgate.app.serving import Listener, Listening
from callgate.config import load_config
from callgate.downstream.http import HttpEndpoint

SHOP = "def refund(customer: str, amount: int) -> dict:\n    return {'refunded': amount}\n"
CONFIG = """\
identity: {anonymous: {id: ada, groups: [support]}}
targets: {shop: {python: shop}}
listeners: {agents: {port: 0}, control: {port: 0}}
"""
PERMIT = """\
@id("refunds")
permit(principal in Callgate::Group::"support",
       action == Callgate::Action::"shop___refund", resource)
when { context.input.amount <= 500 };
"""
OTHER = """\
@id("p%d")
permit(principal in Callgate::Group::"g%d", action == Callgate::Action::"shop___refund", resource)
when { context.input.amount < %d && context.input.customer like "c%d*" };
"""
CALLERS = 4
BEAT_SECONDS = 0.001


def policies(count: int, limit: int) -> str:
    """A set of which only the last one differs between limits."""
    others = [OTHER % (n, n % 97, 1000 + n, n) for n in range(count - 2)]
    return PERMIT + "".join(others) + OTHER % (count, 1, limit, 1)


class Heart:
    """Beats on the event loop: a late beat is what everything there waited for."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def beat(self) -> None:
        """For ever."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - BEAT_SECONDS)
            last = now

    def taken(self) -> float:
        """The longest wait since the last time, in milliseconds."""
        longest, self.longest = self.longest, 0.0
        return longest * 1e3


def call_for_ever(url: str) -> None:
    """The callers, in a process of their own: a line for each second, with the slowest call."""
    place = urlsplit(url)
    body = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": "shop___refund",
                "arguments": {"customer": "c", "amount": 5},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        }
    )
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "shop___refund",
    }

    one_at_a_time = threading.Lock()

    def call() -> None:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        while True:
            started = time.perf_counter()
            connection.request("POST", place.path, body, headers)
            answer = json.loads(connection.getresponse().read())
            assert "structuredContent" in answer["result"], answer
            took_ms = (time.perf_counter() - started) * 1e3
            with one_at_a_time:
                print(f"{took_ms:.3f}", flush=True)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def measured(count: int, rounds: int) -> dict[str, object]:
    """The figures of one size of set."""
    directory = Path(tempfile.mkdtemp(prefix="callgate-swap-"))
    (directory / "callgate.yaml").write_text(CONFIG)
    (directory / "shop.py").write_text(SHOP)
    (directory / "policies").mkdir()
    file = directory / "policies" / "all.cedar"
    file.write_text(policies(count, 0))
    application = Application(load_config(directory / "callgate.yaml"))
    started = time.perf_counter()
    await application.start()
    start_seconds = time.perf_counter() - started
    await application.report_findings()
    endpoint = HttpEndpoint(
        application.dispatcher, allowed_hosts=(), allowed_origins=(), is_loopback=True
    )
    heart = Heart()
    async with Listening(Listener(endpoint, "127.0.0.1", 0)) as listening:
        with _rare_collections():
            beating = asyncio.ensure_future(heart.beat())
            command = [sys.executable, __file__, "--call", f"{listening.url}/mcp"]
            callers = await asyncio.create_subprocess_exec(
                *command, stdout=subprocess.PIPE, limit=1 << 20
            )
            latencies: list[float] = []
            reading = asyncio.ensure_future(_read(callers, latencies))
            await asyncio.sleep(2)
            found = {"policies": count, "start_seconds": round(start_seconds, 2)}
            heart.taken(), latencies.clear()
            await asyncio.sleep(5)
            found["undisturbed"] = _figures([heart.taken()], latencies)
            swaps, stalls = [], []
            latencies.clear()
            for number in range(1, rounds + 1):
                file.write_text(policies(count, number))
                heart.taken()
                before = time.perf_counter()
                await application.change_policies()
                swaps.append(time.perf_counter() - before)
                await asyncio.sleep(0.5)
                stalls.append(heart.taken())
            found["swapping"] = _figures(stalls, latencies)
            found["swap_seconds"] = [round(seconds, 3) for seconds in swaps]
            callers.kill()
            await callers.wait()
            reading.cancel()
            beating.cancel()
    await application.stop()
    return found


async def _read(callers: asyncio.subprocess.Process, latencies: list[float]) -> None:
    assert callers.stdout is not None
    async for line in callers.stdout:
        latencies.append(float(line))


def _figures(stalls: list[float], latencies: list[float]) -> dict[str, object]:
    ordered = sorted(latencies)
    return {
        "calls": len(ordered),
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
        "slowest_ms": round(ordered[-1], 2),
        "longest_stall_ms": [round(stall, 2) for stall in stalls],
    }


def main() -> None:
    """Prints the figures of each size as a line of JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--call", help="the URL to call; for the callers' own process")
    options.add_argument("--policies", type=int, nargs="*", default=[100, 10_000])
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    if chosen.call:
        call_for_ever(chosen.call)
        return
    for count in chosen.policies:
        print(json.dumps(uvloop.run(measured(count, chosen.rounds))), flush=True)


if __name__ == "__main__":
    main()
