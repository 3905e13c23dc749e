"""Measures Callgate beside its peers in one run and writes RESULTS.md."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path

import alone
import crossing
import lists
import record
import report
from contestant import Contestant, Folders
from load import wrk
from peers.peer import Peer
from roster import CALLGATE, CONVERSING, PEERS

import interceptors
import policy
import sessions

HERE = Path(__file__).parent
PARTS = (
    "calls", "alone", "streams", "bridged", "sessions", "lists", "policies", "interceptors",
    "record",
)  # fmt: skip


def main() -> None:
    options = parse_options()
    shutil.rmtree(options.work, ignore_errors=True)
    folders = Folders(options.venvs.resolve(), options.work.resolve())
    contestants: list[Contestant] = []
    if "calls" in options.parts:
        wrk()
        contestants = [Contestant(peer) for peer in PEERS if is_chosen(peer, options.only)]
        compare(contestants, folders, options)
    crossings = cross(folders, options)
    by_itself, idle, lists = examine_callgate(folders, options)
    policies = policy.examine(folders, options.rounds) if "policies" in options.parts else None
    asked = (
        interceptors.examine(folders, options.rounds) if "interceptors" in options.parts else None
    )
    kept = record.examine(folders, options.rounds) if "record" in options.parts else None
    command = shlex.join(["python", "bench/run.py", *sys.argv[1:]])
    text = report.render(
        report.Run(
            contestants=contestants,
            alone=by_itself,
            rounds=options.rounds,
            seconds=options.seconds,
            command=command,
            parts=options.parts,
            crossings=crossings,
            idle=idle,
            lists=lists,
            policies=policies,
            interceptors=asked,
            record=kept,
        )
    )
    print(text)
    if options.output is not None:
        options.output.write_text(text)


def compare(contestants: list[Contestant], folders: Folders, options: argparse.Namespace) -> None:
    """Leaves nothing running."""
    try:
        for contestant in contestants:
            print(f"starting {contestant.peer.name}", flush=True)
            contestant.start(folders)
            if contestant.failure:
                print(f"  failed: {contestant.failure}", flush=True)
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", flush=True)
            for contestant in contestants:
                for found in contestant.take_turn(options.seconds):
                    print(f"  {contestant.peer.name}: {report.in_a_line(found)}", flush=True)
    finally:
        for contestant in contestants:
            contestant.stop()


def cross(folders: Folders, options: argparse.Namespace) -> list[crossing.Crossing]:
    cells = [*crossing.STREAMS] if "streams" in options.parts else []
    cells += crossing.BRIDGED if "bridged" in options.parts else ()
    peers = [peer for peer in CONVERSING if is_chosen(peer, options.only)]
    crossings = crossing.lineup(peers, cells)
    crossing.compare(crossings, folders, options.rounds, options.seconds)
    return crossings


def examine_callgate(
    folders: Folders, options: argparse.Namespace
) -> tuple[alone.Alone | None, list[sessions.Idle], lists.Lists | None]:
    """What only Callgate is asked for."""
    parts = options.parts if is_chosen(CALLGATE, options.only) else []
    return (
        alone.examine(CALLGATE, folders) if "alone" in parts else None,
        sessions.examine(CALLGATE, folders) if "sessions" in parts else [],
        lists.examine(folders) if "lists" in parts else None,
    )


def is_chosen(peer: Peer, only: list[str]) -> bool:
    """`--only envoy fastmcp` takes every peer whose name begins so."""
    return not only or any(peer.name.lower().startswith(word.lower()) for word in only)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="per peer, round and load")
    parser.add_argument("--only", nargs="*", default=[], help="names of peers, or how they begin")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help="|".join(PARTS)
    )
    parser.add_argument("--venvs", type=Path, default=HERE / ".venvs")
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="emptied first")
    parser.add_argument("--output", type=Path, help="RESULTS.md; nothing with --only or --parts")
    options = parser.parse_args()
    if options.output is None and not options.only and tuple(options.parts) == PARTS:
        options.output = HERE / "RESULTS.md"
    return options


if __name__ == "__main__":
    main()
