"""The conforming client behind a gateway: what the suite is given in place of the client."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from conformance.servers import gateway

MOST_SECONDS = 60.0  # longer than the client takes before it gives up


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, required=True, help="where the gateway's files go")
    parser.add_argument("url", help="the server of the suite")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    with gateway(options.keep, options.url) as url:
        client = [sys.executable, "-m", "conformance.client", url]
        return subprocess.run(client, timeout=MOST_SECONDS).returncode


def _leave(number: int, frame: FrameType | None) -> None:
    # Ended by the suite: the gateway is not left behind.
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
