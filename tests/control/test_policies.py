"""/api/v1/policies."""

from __future__ import annotations

from fakes.gateway import PERMIT, a_gateway
from fakes.operators import get

FORBID = '@id("no") @reason("Ask ada.") forbid(principal, action, resource);'


def test_every_policy_is_listed_with_its_text_and_the_version_of_the_set() -> None:
    gateway = a_gateway(policies=f"{PERMIT}\n{FORBID}")

    told = get("/api/v1/policies", gateway=lambda: gateway).json

    assert told["version"] == gateway.engine.version
    permit, forbid = told["policies"]
    assert (permit["id"], permit["source"], permit["effect"]) == ("permit-all", "p", "permit")
    assert "permit(principal, action, resource);" in permit["text"]
    assert (forbid["id"], forbid["effect"], forbid["advice"]) == ("no", "forbid", "Ask ada.")
