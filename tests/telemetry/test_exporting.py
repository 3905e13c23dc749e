"""OpenTelemetry is imported only where it is wanted, and may be missing."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from callgate.telemetry.exporting import MissingExtraError, exporting
from callgate.telemetry.otel import OtelTelemetry
from callgate.telemetry.settings import TelemetrySettings
from fakes.collector import a_collector

MODULE = "callgate.telemetry.otel"


def test_without_an_endpoint_there_is_no_exporter() -> None:
    assert exporting(TelemetrySettings(), "9.9") is None


def test_without_an_endpoint_opentelemetry_is_not_even_imported() -> None:
    program = (
        "import sys;"
        "from callgate.telemetry.exporting import exporting;"
        "from callgate.telemetry.settings import TelemetrySettings;"
        "exporting(TelemetrySettings(), '9.9');"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_with_an_endpoint_there_is_one() -> None:
    with a_collector() as collector:
        telemetry = exporting(TelemetrySettings(otlp_endpoint=collector.url), "9.9")
        assert isinstance(telemetry, OtelTelemetry)
        asyncio.run(telemetry.close())


def test_where_the_extra_is_missing_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'callgate\[otlp\]'"):
        exporting(TelemetrySettings(otlp_endpoint="http://localhost:4318"), "9.9")
