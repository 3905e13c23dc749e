"""A gateway of fakes around the real call path."""

from __future__ import annotations

from typing import Any

from callgate.model import Tool
from callgate.pipeline.attaching import Attachment, Chain
from callgate.pipeline.gateway import Gateway
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.telemetry.nothing import NoTelemetry
from fakes.calls import a_principal, a_tool
from fakes.clock import FakeClock
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCatalog, FakeConnector

PERMIT = '@id("permit-all") permit(principal, action, resource);'


def a_gateway(
    *,
    policies: str = PERMIT,
    tools: tuple[Tool, ...] = (),
    connector: FakeConnector | None = None,
    chain: tuple[Attachment, ...] = (),
    **more: Any,
) -> Gateway:
    """A gateway with one target `shop` and one tool `refund`, and `ada` as its anonymous caller."""
    attached = Chain(chain)
    settings: dict[str, Any] = {
        "authenticator": FakeAuthenticator(anonymous=a_principal("ada", "agents")),
        "catalog": FakeCatalog(tools or (a_tool(),), connector or FakeConnector()),
        "engine": Engine(read_policies([("p", policies)]), Names(), attached.enrichments),
        "chain": attached,
        "store": FakeCallStore(),
        "telemetry": NoTelemetry(),
        "clock": FakeClock(),
        **more,
    }
    return Gateway(**settings)
