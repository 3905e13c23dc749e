"""`callgate` in a process whose clock is off by what a file says, in seconds: it can step.

python stepping_gateway.py OFFSET_FILE ARGUMENTS…
"""

from __future__ import annotations

import sys
from pathlib import Path

from callgate.app import application
from callgate.app.clock import SystemClock
from callgate.cli import main


class SteppingClock(SystemClock):
    """The machine's, moved: a test cannot set the machine's own."""

    def now(self) -> float:
        return super().now() + float(offset_file.read_text())


if __name__ == "__main__":
    offset_file = Path(sys.argv.pop(1))
    vars(application)["SystemClock"] = SteppingClock
    main()
