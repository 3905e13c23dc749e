"""One measurement: wrk against a running peer, with the CPU time and memory that it took."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from conversation import MARKER
from peers.peer import Running
from processes import LOAD_CORE, cpu_seconds, memory_bytes
from target import Target

SCRIPT = Path(__file__).with_name("call.lua")
WARM_UP_SECONDS = 1
TIMEOUT_SECONDS = 60
IDLE_SHARE = 0.05  # below this share of a core, a peer has finished what wrk left behind
DRAIN_SECONDS = 15.0
SUMMARY = re.compile(r"^bench: (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
SAMPLE = re.compile(r"^sample: (.+)$", re.MULTILINE)


class LoadError(Exception):
    """wrk could not be run, or printed nothing that can be used."""


@dataclass(frozen=True)
class Load:
    """`pause_ms`: how long each connection rests before a call, on the average."""

    connections: int
    pause_ms: int = 0

    @property
    def title(self) -> str:
        if self.pause_ms:
            rate = self.connections * 1000 // self.pause_ms
            return f"About {rate:,} calls a second, of {self.connections} connections"
        return f"{self.connections} connection{'s' if self.connections > 1 else ''}"


@dataclass(frozen=True)
class WrkSummary:
    calls: int
    seconds: float
    wrong: int
    broken: int
    p50_ms: float
    p99_ms: float
    sample: str


@dataclass(frozen=True)
class Measurement:
    """`wrong`: replies that are no result; `broken`: connections lost and time-outs of wrk.

    `later_us_per_call`: of the CPU time what a peer takes once it has nothing else to do.
    """

    load: Load
    cpu_us_per_call: float
    later_us_per_call: float
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    memory_bytes: int
    wrong: int
    broken: int
    sample: str


def measure(running: Running, target: Target, load: Load, seconds: int) -> Measurement:
    first = target.calls_seen()
    run_wrk(running, load, WARM_UP_SECONDS)
    wait_until_idle(running.process.pid)
    calls_before, cpu_before = target.calls_seen(), cpu_seconds(running.process.pid)
    summary = run_wrk(running, load, seconds)
    memory = memory_bytes(running.process.pid)
    wait_until_idle(running.process.pid)
    cpu = cpu_seconds(running.process.pid) - cpu_before
    later = 0.0
    if running.settles_seconds:
        time.sleep(running.settles_seconds)
        wait_until_idle(running.process.pid)
        cpu_later = cpu_seconds(running.process.pid) - cpu_before - cpu
        later = cpu_later * 1e6 / max(target.calls_seen() - first, 1)
    # What the target saw, not what wrk had back: a slow peer still works on calls after wrk ended.
    seen = target.calls_seen() - calls_before
    return Measurement(
        load=load,
        cpu_us_per_call=cpu * 1e6 / max(seen, 1) + later,
        later_us_per_call=later,
        calls_per_second=summary.calls / summary.seconds,
        p50_ms=summary.p50_ms,
        p99_ms=summary.p99_ms,
        memory_bytes=memory,
        wrong=summary.wrong + max(summary.calls - seen, 0),
        broken=summary.broken,
        sample=summary.sample,
    )


def wait_until_idle(pid: int) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        before = cpu_seconds(pid)
        time.sleep(0.2)
        if cpu_seconds(pid) - before < 0.2 * IDLE_SHARE:
            return


def run_wrk(running: Running, load: Load, seconds: int) -> WrkSummary:
    words = [wrk(), "-t1", f"-c{load.connections}", f"-d{seconds}s"]
    words += [f"--timeout={TIMEOUT_SECONDS}s", "-s", str(SCRIPT)]
    for name, value in running.headers.items():
        words += ["-H", f"{name}: {value}"]
    words += [running.url, "--", running.era, running.tool, MARKER, str(load.pause_ms)]
    finished = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=seconds + 2 * TIMEOUT_SECONDS,
        check=False,
        preexec_fn=pin_to_load_core,
    )
    found = SUMMARY.search(finished.stdout)
    if found is None:
        raise LoadError(f"wrk: {finished.stdout[-500:]} {finished.stderr[-500:]}")
    calls, microseconds, wrong, broken, p50, p99 = (int(group) for group in found.groups())
    sample = SAMPLE.search(finished.stdout)
    return WrkSummary(
        calls=calls,
        seconds=microseconds / 1e6,
        wrong=wrong,
        broken=broken,
        p50_ms=p50 / 1e3,
        p99_ms=p99 / 1e3,
        sample=sample.group(1) if sample else "",
    )


def pin_to_load_core() -> None:
    os.sched_setaffinity(0, {LOAD_CORE})


def wrk() -> str:
    """Installs the Debian package if it is missing and this is root."""
    path = shutil.which("wrk")
    if path is None:
        subprocess.run(["apt-get", "update"], check=False, capture_output=True)
        subprocess.run(["apt-get", "install", "-y", "wrk"], check=False, capture_output=True)
        path = shutil.which("wrk")
    if path is None:
        raise LoadError("wrk is not there: apt-get install wrk")
    return path
