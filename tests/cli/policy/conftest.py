from pathlib import Path

import pytest

from fakes.desk import write_desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that we stand in."""
    directory = write_desk(tmp_path / "desk")
    monkeypatch.chdir(directory)
    return directory
