from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from callgate.storage.liveness import FileLife, lock_path

HOLD = """
import sys
from pathlib import Path
from callgate.storage.liveness import FileLife
life = FileLife.claim(Path(sys.argv[1]), "token")
print("held" if life else "taken", flush=True)
sys.stdin.readline()
"""


def test_lock_is_held_until_it_is_given_up(tmp_path: Path) -> None:
    store = tmp_path / "r.db"
    life = FileLife.claim(store, "token")
    assert life is not None
    assert FileLife.claim(store, "token") is None
    other = FileLife.claim(store, "other")
    assert other is not None
    other.end()
    life.end()
    assert not lock_path(store, "token").exists()
    again = FileLife.claim(store, "token")
    assert again is not None
    again.end()


def test_lock_of_another_process_ends_with_that_process_however_it_ends(tmp_path: Path) -> None:
    store = tmp_path / "r.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert FileLife.claim(store, "token") is None
        process.kill()
    life = FileLife.claim(store, "token")
    assert life is not None
    life.end()
