"""Random letters for ids, drawn in stock: each draw from the system lets another thread in."""

from __future__ import annotations

import secrets

LETTERS = 16  # of one id: 64 bits in hex
STOCK = 256  # ids


class Letters:
    """Unguessable letters for ids; none is given out twice. For one thread."""

    def __init__(self) -> None:
        self._stock = ""
        self._used = 0

    def next(self) -> str:
        """64 random bits, in hex."""
        start = self._used
        if start == len(self._stock):
            self._stock = secrets.token_hex(STOCK * LETTERS // 2)
            start = 0
        self._used = start + LETTERS
        return self._stock[start : self._used]
