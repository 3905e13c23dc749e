"""What the redactor finds, what it costs and how much memory it takes: `python bench/redact.py`."""

from __future__ import annotations

import ctypes
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from stub_content import Arguments, call_result  # noqa: E402

from callgate.app.clock import SystemClock  # noqa: E402
from callgate.interceptors.redact import Redactor, RedactSettings  # noqa: E402
from callgate.protocol.jsonrpc import encode  # noqa: E402
from fakes.sensitive import ENCODINGS, FURTHER, benign, secrets  # noqa: E402 - the path is set above

TURNS = 25
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def result(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def prose(size: int) -> dict[str, Any]:
    text = (ROOT / "docs" / "policies.md").read_text("utf-8")
    return result((text * (size // len(text) + 1))[:size])


def code(size: int) -> dict[str, Any]:
    text = (ROOT / "src" / "callgate" / "pipeline" / "stages.py").read_text("utf-8")
    return result((text * (size // len(text) + 1))[:size])


def rows(size: int) -> dict[str, Any]:
    row = {"id": "C-17", "city": "Berlin", "items": 12, "state": "sent", "price": 12.5}
    many = [{**row, "n": n} for n in range(size // 72)]
    return {**result("see rows"), "structuredContent": {"rows": many}}


def dirty(size: int) -> dict[str, Any]:
    made: dict[str, Any] = rows(size)
    for number, row in enumerate(made["structuredContent"]["rows"]):
        if number % 20 == 0:
            row["mail"] = f"customer{number}@example.org"
    return made


SHAPES: dict[str, Callable[[int], dict[str, Any]]] = {
    "prose, clean": prose,
    "code, clean": code,
    "JSON rows, clean": rows,
    "JSON rows, an address in every 20th": dirty,
}


def cpu_seconds(work: Callable[[], Any], turns: int) -> list[float]:
    taken = []
    for _ in range(turns):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return taken


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    started, before = time.process_time(), peak_megabytes()
    it = Redactor(RedactSettings(), ROOT, SystemClock())
    print(
        f"start: {time.process_time() - started:.1f} s CPU, {peak_megabytes() - before:.0f} MB"
        " (once per process)\n"
    )
    plain = [
        kind
        for kind, (secret, text) in secrets().items()
        if json.dumps(secret)[1:-1] not in json.dumps(it.redact(result(text)).value)
    ]
    print(f"secrets found: {len(plain)} of {len(secrets())}")
    values = benign()
    wrong = [name for name, value in values.items() if it.redact(value).found]
    print(f"benign values changed: {len(wrong)} of {len(values)} {wrong or ''}")
    secret = secrets()["github token"][0]
    for name, ways in (("encodings", ENCODINGS), ("further encodings", FURTHER)):
        missed = [way for way, write in ways.items() if not it.redact({"a": write(secret)}).found]
        print(f"{name} seen through: {len(ways) - len(missed)} of {len(ways)} {missed or ''}")
    print("\n| result | " + " | ".join(f"{size // 1000} KB" for size in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    for name, make in SHAPES.items():
        cells = []
        for size in SIZES:
            value = make(size)
            it.redact(value)
            turns = TURNS if size < 1_000_000 else 5
            taken = cpu_seconds(lambda value=value: it.redact(value), turns)
            cells.append(f"{min(taken) * 1000:.2f} / {statistics.median(taken) * 1000:.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nms of CPU, the least and the median of several turns.")
    asked = Arguments(customer="c-1001", amount=17, note="checked by hand")
    for name, body in (
        (
            "a small clean result",
            encode({"content": [{"type": "text", "text": "ok, refunded 12"}]}),
        ),
        ("what the gateway's benchmark sends, 1 KB,", call_result(asked, is_modern=True)),
    ):
        assert it.may_skip(body), name
        taken = cpu_seconds(lambda body=body: [it.may_skip(body) for _ in range(1000)], 20)
        print(f"{name} is skipped in {min(taken) * 1000:.1f} µs")


def resident_megabytes(which: str) -> float:
    """VmRSS: now; VmHWM: the most since `forget_peak`. Linux only."""
    status = Path("/proc/self/status").read_text("ascii")
    return next(
        int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(which)
    )


def forget_peak() -> None:
    ctypes.CDLL(None).malloc_trim(0)  # what the engines' start left free would hide what is taken
    Path("/proc/self/clear_refs").write_text("5", "ascii")


def memory() -> None:
    """How much more memory the largest values take, in a process of its own."""
    it = Redactor(RedactSettings(), ROOT, SystemClock())
    for name, make in SHAPES.items():
        small, large = make(10_000), make(1_000_000)
        it.redact(small)
        forget_peak()
        before = resident_megabytes("VmRSS")
        it.redact(large)
        more = resident_megabytes("VmHWM") - before
        print(f"{name}, 1 MB: {more:.0f} MB more at the peak")


if __name__ == "__main__":
    memory() if sys.argv[1:] == ["memory"] else main()
