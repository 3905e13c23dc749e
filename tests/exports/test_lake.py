from __future__ import annotations

import asyncio
import builtins
from pathlib import Path
from typing import Any

import duckdb
import pytest

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import batches
from callgate.exports.export import DestinationError
from callgate.exports.lake import LakeDestination
from fakes.exporting import CALLS, FakeSource


def test_batches_become_files_and_one_that_comes_again_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        destination = LakeDestination(tmp_path, 3)
        for batch in batches(FakeSource(7), CALLS, ExportCursor()):
            await destination.send(batch)
            await destination.send(batch)
        await destination.close()

    asyncio.run(scenario())
    with duckdb.connect() as connection:
        query = f"SELECT count(*), count(DISTINCT call) FROM '{tmp_path}/*/*.parquet'"
        assert connection.execute(query).fetchall() == [(7, 7)]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("in the way")
    (batch,) = batches(FakeSource(1), CALLS, ExportCursor())
    with pytest.raises(DestinationError, match="lake"):
        asyncio.run(LakeDestination(tmp_path / "lake", 3).send(batch))


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "callgate.exports.parquet":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DestinationError, match=r"callgate\[parquet\]"):
        LakeDestination(tmp_path, 3)
