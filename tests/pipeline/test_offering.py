from typing import Any

import pytest

from callgate.model import NOTHING, Client, Offer
from callgate.pipeline.offering import can_be_asked, offer_of
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.calls import a_principal
from fakes.gateway import PERMIT

ASKS = ("elicitation", "sampling", "roots")
DECLARED: dict[str, Any] = {
    "elicitation": {"form": {}},
    "sampling": {},
    "roots": {"listChanged": True},
    "experimental": {"x": {}},
    "tasks": {"list": {}},
    "extensions": {
        "io.modelcontextprotocol/ui": {"mimeTypes": ["text/html"]},
        "com.example/secret": {},
    },
}


def offered(policies: str = PERMIT, may_ask: tuple[str, ...] = ASKS, declared: Any = None) -> Offer:
    engine = Engine(read_policies([("p", policies)]), Names())
    client = Client(capabilities=DECLARED if declared is None else declared)
    return offer_of(
        a_principal("ada", "staff"), client, "shop", engine, {"shop": frozenset(may_ask)}
    )


def test_a_target_is_offered_what_the_client_declared_and_the_gateway_passes_on() -> None:
    assert offered().capabilities == {
        "elicitation": {"form": {}},
        "sampling": {},
        "roots": {"listChanged": True},
        "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html"]}},
    }


def test_a_client_that_declares_nothing_offers_nothing() -> None:
    assert offered(declared={}) is NOTHING
    assert offered(declared={"experimental": {}}) is NOTHING


@pytest.mark.parametrize("name", ASKS)
def test_a_target_is_offered_only_what_its_settings_let_it_ask(name: str) -> None:
    said = offered(may_ask=(name,)).capabilities

    assert set(said) == {name, "extensions"}


def test_permitting_a_target_does_not_let_it_ask() -> None:
    policies = 'permit(principal, action in Callgate::Action::"shop", resource);'

    assert set(offered(policies).capabilities) == {"extensions"}


def test_what_policy_permits_to_ask_is_offered() -> None:
    policies = (
        'permit(principal in Callgate::Group::"staff", '
        'action == Callgate::Action::"shop___elicitation/create", resource);'
    )

    assert set(offered(policies).capabilities) == {"elicitation", "extensions"}


def test_what_policy_forbids_to_ask_is_not_offered() -> None:
    policies = PERMIT + (
        '@id("no-models") forbid(principal, '
        'action in Callgate::Action::"sampling/createMessage", resource);'
    )

    assert set(offered(policies).capabilities) == {"elicitation", "roots", "extensions"}


def test_equal_offers_are_one_object() -> None:
    assert offered() is offered()
    assert offered().digest != offered(may_ask=()).digest


def test_a_client_can_be_asked_where_it_declares_so() -> None:
    assert can_be_asked({"roots": {}})
    assert not can_be_asked({"extensions": {}})
