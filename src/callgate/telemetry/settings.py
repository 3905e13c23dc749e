"""The `telemetry:` block of callgate.yaml: what is exported, and how the log is written."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from callgate.settings import Settings


def _collector_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in ("http", "https"):
        raise ValueError("must be the base URL of a collector, such as `http://localhost:4318`")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "must not hold credentials; put them in the variable OTEL_EXPORTER_OTLP_HEADERS"
        )
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment")
    return url.rstrip("/")


class TelemetrySettings(Settings):
    """What is exported, and how the log is written. Prometheus metrics are always there."""

    otlp_endpoint: Annotated[str, AfterValidator(_collector_url)] | None = None
    """Base URL of an OpenTelemetry collector (OTLP over HTTP), such as `http://localhost:4318`.
    Nothing is exported where left out. Needs `pip install 'callgate[otlp]'`; headers, certificates
    and compression are read from the standard `OTEL_EXPORTER_OTLP_*` variables."""

    service_name: Annotated[str, Field(min_length=1)] = "callgate"
    """`service.name` of exported traces and metrics."""

    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of calls that are traced, where the agent has not decided that in its `traceparent`."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are still written."""

    log_format: Literal["text", "json"] | None = None
    """`text` for people, `json` for machines. Text on a terminal, else JSON, where left out."""
