"""Places in the record: a log and the seq of an entry in it, as one number that sorts."""

from __future__ import annotations

SEQ_BITS = 40
MAX_SEQ = (1 << SEQ_BITS) - 1  # a trillion entries in one log
MAX_LOG = (1 << 23) - 1  # INVARIANT: the highest position still fits into a signed BIGINT
LOG_OF_LOGS = 0  # its entries are checkpoints of the other logs


def position(log: int, seq: int) -> int:
    """The place as one number: entries of a log follow each other, logs do not overlap."""
    if not (0 <= log <= MAX_LOG and 0 <= seq <= MAX_SEQ):
        raise ValueError(f"there is no place {log}/{seq} in the record")
    return (log << SEQ_BITS) | seq


def place(number: int) -> tuple[int, int]:
    """Log and seq of a position."""
    if not 0 <= number < 1 << 63:
        raise ValueError(f"{number} is no position of the record")
    return number >> SEQ_BITS, number & MAX_SEQ


def bounds(log: int) -> tuple[int, int]:
    """The first and the last position that entries of a log can have."""
    return position(log, 0), position(log, MAX_SEQ)
