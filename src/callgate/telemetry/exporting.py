"""OpenTelemetry, where an endpoint is set: only then is it imported, and must it be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callgate.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from callgate.telemetry.otel import OtelTelemetry

EXTRA = "callgate[otlp]"


class MissingExtraError(Exception):
    """What the configuration asks for is not installed."""


def exporting(settings: TelemetrySettings, version: str) -> OtelTelemetry | None:
    """The exporter that the settings ask for; None where they ask for none.

    Raises MissingExtraError. Whoever gets one closes it.
    """
    if settings.otlp_endpoint is None:
        return None
    try:
        from callgate.telemetry.otel import OtelTelemetry  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise MissingExtraError(
            f"`telemetry.otlp_endpoint` is set, but {error.name} is not installed: "
            f"pip install '{EXTRA}', or take the setting out"
        ) from error
    return OtelTelemetry(settings, version)
