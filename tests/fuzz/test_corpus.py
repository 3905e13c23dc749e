"""Every input that fuzzing kept is still taken as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name[:12]}")
def test_no_kept_input_breaks_a_promise(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_parser_has_inputs() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_at_all_breaks_no_promise(name: str) -> None:
    TARGETS[name](b"")
