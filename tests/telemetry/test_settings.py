"""The `telemetry:` block."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from callgate.telemetry.settings import TelemetrySettings


def test_by_default_nothing_is_exported() -> None:
    settings = TelemetrySettings()

    assert settings.otlp_endpoint is None
    assert (settings.service_name, settings.sample_ratio) == ("callgate", 1.0)
    assert (settings.log_level, settings.log_format) == ("info", None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://localhost:4318", "http://localhost:4318"),
        ("https://otel.example/ingest/", "https://otel.example/ingest"),
        ("http://[::1]:4318", "http://[::1]:4318"),
    ],
)
def test_a_collector_is_named_by_its_base_url(written: str, read: str) -> None:
    assert TelemetrySettings(otlp_endpoint=written).otlp_endpoint == read


@pytest.mark.parametrize(
    "url",
    ["localhost:4318", "grpc://x:4317", "http://", "http://x:99999", "http://[::1", "", "http://x/?k=v",
     "http://x/#f"],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="otlp_endpoint"):
        TelemetrySettings(otlp_endpoint=url)


def test_credentials_are_sent_elsewhere() -> None:
    with pytest.raises(ValidationError, match="OTEL_EXPORTER_OTLP_HEADERS"):
        TelemetrySettings(otlp_endpoint="https://user:secret@otel.example")


@pytest.mark.parametrize(
    "settings",
    [{"sample_ratio": -0.1}, {"sample_ratio": 1.1}, {"service_name": ""}, {"log_level": "loud"},
     {"log_format": "xml"}, {"log_fromat": "json"}],
)  # fmt: skip
def test_other_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TelemetrySettings(**settings)
