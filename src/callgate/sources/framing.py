"""Messages between the gateway and its own child processes: a length, then JSON."""

from __future__ import annotations

from typing import IO

MAX_FRAME_BYTES = 512 << 20
_LENGTH_BYTES = 4


class FrameError(Exception):
    """The other side ended, or does not speak this protocol."""


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Writes one message. Raises OSError where the other side is gone."""
    stream.write(len(body).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(body)
    stream.flush()


def read_frame(stream: IO[bytes], most: int = MAX_FRAME_BYTES) -> bytes:
    """The next message. Raises FrameError at the end, and at a message over `most` bytes."""
    head = _exactly(stream, _LENGTH_BYTES)
    length = int.from_bytes(head, "big")
    if length > most:
        raise FrameError(f"a message of {length} bytes")
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    found = stream.read(count)
    if found is None or len(found) < count:
        raise FrameError("the other side ended")
    return found
