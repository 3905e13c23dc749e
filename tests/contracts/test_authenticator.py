"""What every Authenticator promises, whatever proof it is about."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import jwt
import pytest

from callgate.identity.anonymous import AnonymousAuthenticator, AnonymousSettings
from callgate.identity.api_keys import ApiKeyAuthenticator, ApiKeySettings, digest_of, new_key
from callgate.identity.chain import FirstThatKnows
from callgate.identity.jwt import JwtAuthenticator, JwtSettings
from callgate.model import Proof, Refused
from callgate.ports import Authenticator
from fakes.clock import FakeClock
from fakes.issuer import OTHER_KEYS, SIGNING_KEYS, jwk_set

KEY = new_key()
CLAIMS = {"iss": "https://idp.example", "sub": "alice", "aud": "callgate", "exp": 2_000_000_000}


class Case(NamedTuple):
    """One authenticator, with a proof that holds, one that does not, and one of another kind."""

    build: Callable[[], Authenticator]
    good: Proof
    bad: Proof
    foreign: Proof | None


def a_jwt(keys: dict[str, object]) -> str:
    return "Bearer " + jwt.encode(CLAIMS, keys["ES256"], "ES256", headers={"kid": "ES256"})  # type: ignore[arg-type] # a private key


async def fetch(url: str) -> tuple[int, bytes]:
    return 200, jwk_set()


def anonymous() -> Authenticator:
    return AnonymousAuthenticator(AnonymousSettings())


def api_keys() -> Authenticator:
    key = ApiKeySettings(name="ci", sha256=digest_of(KEY), principal="build")
    return ApiKeyAuthenticator([key], FakeClock())


def jwts() -> Authenticator:
    settings = JwtSettings(
        issuer="https://idp.example", audience=("callgate",), jwks_url="https://idp.example/keys"
    )
    return JwtAuthenticator(settings, FakeClock(), fetch)


CASES = {
    "anonymous": Case(anonymous, Proof(is_loopback=True), Proof(), Proof(api_key=KEY)),
    "api_keys": Case(api_keys, Proof(api_key=KEY), Proof(api_key=new_key()), Proof()),
    "jwt": Case(
        jwts,
        Proof(authorization=a_jwt(SIGNING_KEYS)),
        Proof(authorization=a_jwt(OTHER_KEYS)),
        Proof(authorization=f"Bearer {KEY}"),
    ),
    "chain": Case(
        lambda: FirstThatKnows([api_keys(), jwts(), anonymous()]),
        Proof(authorization=a_jwt(SIGNING_KEYS)),
        Proof(authorization="Negotiate x", is_loopback=True),
        None,
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_a_proof_that_holds_is_a_principal_and_each_time_the_same(case: Case) -> None:
    async def scenario() -> None:
        authenticator = case.build()
        first = await authenticator.authenticate(case.good)
        assert first is not None
        assert await authenticator.authenticate(case.good) is first

    asyncio.run(scenario())


def test_a_proof_that_does_not_hold_is_refused_and_not_repeated(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        asyncio.run(case.build().authenticate(case.bad))
    refused = caught.value
    assert refused.code == "unauthenticated"
    presented = case.bad.api_key or (case.bad.authorization or "").removeprefix("Bearer ")
    assert len(presented) < 4 or presented not in refused.reason + refused.detail


def test_a_proof_of_another_kind_is_left_to_others(case: Case) -> None:
    if case.foreign is not None:
        assert asyncio.run(case.build().authenticate(case.foreign)) is None
