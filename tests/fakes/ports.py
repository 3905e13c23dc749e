"""A port for a program that has to be told one."""

from __future__ import annotations

import secrets
import socket

FIRST, LAST = 20_000, 32_000  # the system gives none of these to who asks for any port


def free_port() -> int:
    """Nobody has it, and nobody gets it by chance before the program that is told it starts."""
    while True:
        port = FIRST + secrets.randbelow(LAST - FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
