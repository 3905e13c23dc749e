import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.identity.api_keys import (
    KEY_CHARACTERS,
    ApiKeyAuthenticator,
    ApiKeySettings,
    digest_of,
    new_key,
)
from callgate.model import Principal, Proof, Refused
from fakes.clock import FakeClock

KEY = new_key()


def a_key(**changes: Any) -> ApiKeySettings:
    return ApiKeySettings.model_validate(
        {"name": "ci", "sha256": digest_of(KEY), "principal": "build", **changes}
    )


def an_authenticator(clock: FakeClock | None = None, **changes: Any) -> ApiKeyAuthenticator:
    return ApiKeyAuthenticator([a_key(**changes)], clock or FakeClock())


@pytest.mark.parametrize(
    "proof", [Proof(authorization=f"Bearer {KEY}"), Proof(api_key=KEY)], ids=["bearer", "x-api-key"]
)
def test_a_known_key_is_its_principal(proof: Proof) -> None:
    authenticator = an_authenticator(
        groups=["ops"], tenant="acme", agent="deployer", claims={"team": "core"}
    )
    principal = asyncio.run(authenticator.authenticate(proof))
    assert principal == Principal(
        id="build",
        issuer="callgate",
        kind="api_key",
        claims={"team": "core", "api_key": "ci"},
        groups=("ops",),
        tenant="acme",
        agent="deployer",
    )
    assert asyncio.run(authenticator.authenticate(proof)) is principal


def test_a_claim_cannot_pretend_to_be_another_key() -> None:
    authenticator = an_authenticator(claims={"api_key": "other"})
    principal = asyncio.run(authenticator.authenticate(Proof(api_key=KEY)))
    assert principal is not None
    assert principal.claims["api_key"] == "ci"


@pytest.mark.parametrize("key", [new_key(), "", "cgk_", "password1", KEY + "x", KEY[:-1], "\udce9"])
def test_an_unknown_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(Refused) as caught:
        asyncio.run(an_authenticator().authenticate(Proof(api_key=key)))
    refused = caught.value
    assert refused.code == "unauthenticated"
    assert not key or key == "cgk_" or key not in refused.reason + refused.detail


def test_a_key_works_until_it_expires() -> None:
    clock = FakeClock(now=1_800_000_000.0)  # 2027-01-15T08:00:00Z
    authenticator = an_authenticator(clock, expires_at="2027-01-15T09:00:00+01:00")
    clock.advance(-1)
    assert asyncio.run(authenticator.authenticate(Proof(api_key=KEY)))
    clock.advance(1)
    with pytest.raises(Refused) as caught:
        asyncio.run(authenticator.authenticate(Proof(api_key=KEY)))
    assert caught.value.detail == "the API key 'ci' has expired"


@pytest.mark.parametrize(
    "proof", [Proof(), Proof(authorization="Bearer a.b.c"), Proof(authorization="Basic cgk_x")]
)
def test_other_proofs_are_left_to_others(proof: Proof) -> None:
    assert asyncio.run(an_authenticator().authenticate(proof)) is None


def test_a_new_key_has_its_form_and_its_own_randomness() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {KEY_CHARACTERS}


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": KEY},
        {"sha256": digest_of(KEY).upper()},
        {"principal": ""},
        {"principal": "a\x1fb"},
        {"expires_at": "2027-01-15T09:00:00"},
        {"colour": "red"},
    ],
)
def test_a_key_that_is_described_wrongly_is_not_accepted(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        a_key(**change)
