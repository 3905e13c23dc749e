"""Whether claims can decide: asked where the claims of a principal are not known."""

from __future__ import annotations

from callgate.model import Principal, Tool
from callgate.policy.engine import Engine
from callgate.policy.simulate import reads_claims
from callgate.protocol.methods import METHODS


def claims_matter(engine: Engine, principal: Principal, tool: Tool) -> bool:
    """Whether what this principal may at this tool can hang on its claims.

    Not where no policy in scope reads any, nor where scopes alone refuse.
    """
    policies = engine.in_scope(principal, tool).policies
    if not any(map(reads_claims, policies)):
        return False
    if any(policy.effect == "forbid" and not policy.clauses for policy in policies):
        return False
    return METHODS[tool.method].is_list or engine.may_permit(principal, tool).is_permitted
