"""Where a principal's claims decide, and where it does not matter what they are."""

from __future__ import annotations

import pytest

from callgate.policy.claims import claims_matter
from callgate.policy.decisions import tool
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.methods import method_tool
from fakes.calls import a_principal

BY_CLAIM = 'when { principal.hasTag("role") && principal.getTag("role") == "lead" };'
GET = tool("shop___get")
LIST = method_tool("shop", "tools/list")


@pytest.mark.parametrize(
    ("policies", "matters"),
    [
        (f"permit(principal, action, resource) {BY_CLAIM}", True),
        (f"permit(principal, action, resource); forbid(principal, action, resource) {BY_CLAIM}", True),
        (f"forbid(principal, action, resource) {BY_CLAIM}", False),
        (f"permit(principal, action, resource) {BY_CLAIM} forbid(principal, action, resource);", False),
        (f'permit(principal in Callgate::Group::"others", action, resource) {BY_CLAIM}', False),
        (f'permit(principal, action == Callgate::Action::"shop___put", resource) {BY_CLAIM}', False),
        (f'@mode("shadow") permit(principal, action, resource) {BY_CLAIM}', False),
        ("permit(principal, action, resource);", False),
        ("", False),
    ],
)  # fmt: skip
def test_claims_matter_where_a_policy_that_decides_reads_some(policies: str, matters: bool) -> None:
    engine = Engine(read_policies([("p.cedar", policies)]), Names())

    assert claims_matter(engine, a_principal("sam", "support"), GET) is matters


def test_a_list_needs_no_permit_so_that_a_forbid_alone_matters() -> None:
    forbid = f"forbid(principal, action, resource) {BY_CLAIM}"
    engine = Engine(read_policies([("p.cedar", forbid)]), Names())

    assert claims_matter(engine, a_principal("sam"), LIST)
    assert not claims_matter(Engine((), Names()), a_principal("sam"), LIST)
