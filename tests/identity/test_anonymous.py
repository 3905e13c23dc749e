import asyncio

import pytest

from callgate.identity.anonymous import AnonymousAuthenticator, AnonymousSettings
from callgate.model import Principal, Proof, Refused


def an_authenticator(**settings: object) -> AnonymousAuthenticator:
    return AnonymousAuthenticator(AnonymousSettings.model_validate(settings))


def test_a_caller_on_this_machine_needs_no_proof() -> None:
    principal = asyncio.run(an_authenticator().authenticate(Proof(is_loopback=True)))
    assert principal == Principal(id="anonymous", issuer="callgate", kind="anonymous")


def test_id_and_groups_are_the_configured_ones() -> None:
    authenticator = an_authenticator(id="dev", groups=["developers"])
    principal = asyncio.run(authenticator.authenticate(Proof(is_loopback=True)))
    assert principal is not None
    assert (principal.id, principal.groups) == ("dev", ("developers",))
    assert "'dev'" in authenticator.warning


def test_a_caller_on_the_network_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        asyncio.run(an_authenticator().authenticate(Proof(is_loopback=False)))
    assert caught.value.code == "unauthenticated"
    assert "loopback" in caught.value.detail


@pytest.mark.parametrize("proof", [{"authorization": ""}, {"authorization": "x"}, {"api_key": "x"}])
def test_whoever_presents_something_never_becomes_anonymous(proof: dict[str, str]) -> None:
    presented = Proof(is_loopback=True, **proof)
    assert asyncio.run(an_authenticator().authenticate(presented)) is None
