"""Measures Callgate beside its peers in one run and writes RESULTS.md."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path

import alone
import report
from contestant import Contestant, Folders
from load import wrk
from peers.peer import Peer
from roster import CALLGATE, PEERS

HERE = Path(__file__).parent


def main() -> None:
    options = parse_options()
    wrk()
    folders = Folders(options.venvs.resolve(), options.work.resolve())
    shutil.rmtree(folders.work, ignore_errors=True)
    contestants = [Contestant(peer) for peer in PEERS if is_chosen(peer, options.only)]
    try:
        compare(contestants, folders, options)
    finally:
        for contestant in contestants:
            contestant.stop()
    by_itself = alone.examine(CALLGATE, folders) if is_chosen(CALLGATE, options.only) else None
    command = shlex.join(["python", "bench/run.py", *sys.argv[1:]])
    text = report.render(
        report.Run(contestants, by_itself, options.rounds, options.seconds, command)
    )
    print(text)
    if options.output is not None:
        options.output.write_text(text)


def compare(contestants: list[Contestant], folders: Folders, options: argparse.Namespace) -> None:
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


def is_chosen(peer: Peer, only: list[str]) -> bool:
    """`--only envoy fastmcp` takes every peer whose name begins so."""
    return not only or any(peer.name.lower().startswith(word.lower()) for word in only)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="per peer, round and load")
    parser.add_argument("--only", nargs="*", default=[], help="names of peers, or how they begin")
    parser.add_argument("--venvs", type=Path, default=HERE / ".venvs")
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="emptied first")
    parser.add_argument("--output", type=Path, help="RESULTS.md; nothing with --only")
    options = parser.parse_args()
    if options.output is None and not options.only:
        options.output = HERE / "RESULTS.md"
    return options


if __name__ == "__main__":
    main()
