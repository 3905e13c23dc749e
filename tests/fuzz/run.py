"""Fuzzes the parsers with atheris: `PYTHONPATH=tests python -m fuzz.run [NAME …] --seconds N`.

Inputs that reach new code are kept under `--found`; `--merge` moves the fewest of them that reach
as much into the corpus, which `test_corpus.py` replays without atheris.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
NAMES = tuple(sorted(path.name for path in CORPUS.iterdir()))
MAX_INPUT_BYTES = 4096
MAX_INPUT_SECONDS = 10
MAX_MEMORY_MB = 1024
AGAIN = "--again"


def fuzz(name: str, flags: list[str]) -> None:
    """Runs libFuzzer in this process, which ends with it. To merge, it runs itself again."""
    atheris = importlib.import_module("atheris")  # not in the lock: only who fuzzes needs it
    with atheris.instrument_imports(include=["callgate.protocol", "callgate.serving"]):
        targets = importlib.import_module("fuzz.targets")
    atheris.Setup([f"{sys.executable} -m fuzz.run {AGAIN} {name}", *flags], targets.TARGETS[name])
    atheris.Fuzz()


def flags_for(name: str, found: Path, seconds: int, *, is_merge: bool) -> list[str]:
    """What libFuzzer is told."""
    folder = found / name
    folder.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_len={MAX_INPUT_BYTES}", f"-rss_limit_mb={MAX_MEMORY_MB}"]
    if is_merge:
        return [*flags, "-set_cover_merge=1", str(CORPUS / name), str(folder)]
    return [
        *flags,
        f"-timeout={MAX_INPUT_SECONDS}",
        f"-max_total_time={seconds}",
        f"-artifact_prefix={found}/{name}-",
        f"-dict={HERE / 'tokens.dict'}",
        str(folder),
        str(CORPUS / name),
    ]


def main() -> None:
    if sys.argv[1:2] == [AGAIN]:
        fuzz(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each of them")
    parser.add_argument("--found", type=Path, default=Path(".fuzz"), help="where new inputs go")
    parser.add_argument("--merge", action="store_true", help="move the best of them to the corpus")
    given = parser.parse_args()
    names = given.names or NAMES
    if len(names) == 1:
        fuzz(names[0], flags_for(names[0], given.found, given.seconds, is_merge=given.merge))
    how = [f"--seconds={given.seconds}", f"--found={given.found}", *["--merge"][: given.merge]]
    for name in names:  # each in a process of its own: libFuzzer ends the one it runs in
        subprocess.run([sys.executable, "-m", "fuzz.run", name, *how], check=True)


if __name__ == "__main__":
    main()
