"""/metrics, with the real metrics behind it."""

from __future__ import annotations

from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.telemetry.prometheus import PrometheusTelemetry, Readings
from fakes.asgi import ask
from fakes.operators import some_views

ENDPOINT = ControlEndpoint(
    some_views(metrics=PrometheusTelemetry(Readings()).exposition), ControlListenerSettings()
)


def test_prometheus_is_answered_in_its_text_format() -> None:
    answered = ask(ENDPOINT, "/metrics")

    assert answered.status == 200
    assert answered.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"callgate_calls_in_flight 0.0\n" in answered.body


def test_who_accepts_openmetrics_gets_that() -> None:
    accept = ("accept", "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3")

    answered = ask(ENDPOINT, "/metrics", headers=(("host", "localhost"), accept))

    assert answered.headers["content-type"].startswith("application/openmetrics-text")
    assert answered.body.endswith(b"# EOF\n")
