from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from callgate.app.exporting import build_exports
from callgate.app.parts import PartError
from callgate.config import load_config
from fakes.application import CONFIG, written
from fakes.clock import FakeClock

ORIGIN = "records.example/gateway"
EVERY_KIND = """
exports:
  - {name: siem, format: ocsf, file: out}
  - {name: hook, format: cloudevents, begin: now, webhook: {url: "https://hooks.example/x", secret: "${env:HOOK}"}}
  - {name: otel, otlp: "http://127.0.0.1:4318/"}
  - {name: lake, parquet: lake}
  - {name: bucket, s3: {bucket: records, region: eu-central-1}}
"""


def config_of(directory: Path, block: str) -> Any:
    return load_config(written(directory, config=CONFIG + block))


def test_every_kind_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = build_exports(config_of(tmp_path, EVERY_KIND), ORIGIN, FakeClock())
    assert [one.status.name for one in made] == ["siem", "hook", "otel", "lake", "bucket"]
    assert {one.status.state for one in made} == {"starting"}


def test_a_missing_extra_names_the_export_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "callgate.exports.parquet":
            raise ImportError(name)
        return real(name, *rest)

    config = config_of(tmp_path, "exports: [{name: lake, parquet: lake}]\n")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PartError, match=r"exports: lake: needs .*callgate\[parquet\]"):
        build_exports(config, ORIGIN, FakeClock())
