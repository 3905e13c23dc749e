"""What `callgate wrap` reads from; how it serves is in tests/e2e/test_run.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

import uvloop

from callgate.cli.wrap import reading


async def all_of(stream: TextIO) -> bytes:
    read = await reading(stream)
    found = b""
    while piece := await read():
        found += piece
    return found


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"{}\n" * 40_000)
    with (tmp_path / "lines").open(encoding="utf-8") as file:
        assert uvloop.run(all_of(file)) == b"{}\n" * 40_000


def test_a_host_that_gives_no_input_has_nothing_to_say() -> None:
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        assert uvloop.run(all_of(nothing)) == b""
