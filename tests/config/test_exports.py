from __future__ import annotations

from pathlib import Path

import pytest

from callgate.config import load_config
from callgate.config.problems import ConfigError
from fakes.application import CONFIG, written


def test_short_forms_and_pauses_are_what_they_stand_for(tmp_path: Path) -> None:
    block = """
exports:
  - {name: siem, file: out}
  - {name: lake, parquet: lake}
  - {name: often, parquet: lake, every_seconds: 5}
"""
    siem, lake, often = load_config(written(tmp_path, config=CONFIG + block)).exports
    assert siem.file is not None
    assert siem.file.directory == tmp_path / "out"
    assert [(one.kind, one.pause_seconds) for one in (siem, lake, often)] == [
        ("file", 1.0),
        ("parquet", 600.0),
        ("parquet", 5.0),
    ]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("exports: [{name: a}]", "needs exactly one of"),
        ("exports: [{name: a, file: x, parquet: y}]", "needs exactly one of"),
        ("exports: [{name: a, format: ocsf, otlp: 'https://otel.example'}]", "leave `format` out"),
        ("exports: [{name: a, file: x}, {name: a, file: y}]", "two have the name a"),
        ("exports: [{name: A b, file: x}]", "name"),
        ("exports: [{name: a, webhook: 'http://hooks.example/x'}]", "must be https"),
        ("exports: [{name: a, webhook: {url: 'https://h.example/', secret: x}}]", "a secret must not"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(tmp_path: Path, block: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(written(tmp_path, config=CONFIG + block + "\n"))
