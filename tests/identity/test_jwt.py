import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from callgate.identity import jwt
from callgate.identity.fetching import HttpFetch
from callgate.identity.issuers import SPACING_SECONDS
from callgate.identity.jwt import JwtAuthenticator, JwtSettings
from callgate.identity.signing_keys import IssuerError
from callgate.model import Principal, Proof, Refused
from fakes.clock import FakeClock
from fakes.issuer import (
    OTHER_KEYS,
    SIGNING_KEYS,
    FakeIssuer,
    a_token,
    jwk_set,
    public_jwk,
    running_issuer,
)

ISSUER = "https://idp.example"
SECRET = "correct horse battery staple, and more"
CLOCK = FakeClock()


async def no_fetch(url: str) -> tuple[int, bytes]:
    raise AssertionError(f"fetched {url}")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(jwk_set())
    return path


def settings(**changes: Any) -> JwtSettings:
    return JwtSettings.model_validate({"issuer": ISSUER, "audience": ["callgate"], **changes})


def claims(**changes: Any) -> dict[str, Any]:
    whole = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": "callgate",
        "exp": int(CLOCK.now()) + 3600,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def bearer(token: str) -> Proof:
    return Proof(authorization=f"Bearer {token}")


def ask(authenticator: JwtAuthenticator, token: str) -> Principal | None:
    return asyncio.run(authenticator.authenticate(bearer(token)))


def refusal(authenticator: JwtAuthenticator, token: str) -> Refused:
    with pytest.raises(Refused) as caught:
        ask(authenticator, token)
    refused = caught.value
    assert refused.code == "unauthenticated"
    for part in token.split("."):
        assert len(part) < 4 or part not in refused.reason + refused.detail
    return refused


def forged(header: Any, body: Any, signature: bytes = b"x") -> str:
    """A token of any parts; texts are taken as they are."""
    parts = [
        part if isinstance(part, str) else json.dumps(part, separators=(",", ":"))
        for part in (header, body)
    ]
    segments = [*(part.encode() for part in parts), signature]
    return ".".join(base64.urlsafe_b64encode(segment).rstrip(b"=").decode() for segment in segments)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_good_token_is_its_principal(key_file: Path, algorithm: str) -> None:
    authenticator = JwtAuthenticator(
        settings(jwks_file=key_file, id_prefix="idp:"), CLOCK, no_fetch
    )
    body = claims(groups=["ops"], client_id="cli")
    assert ask(authenticator, a_token(body, algorithm=algorithm)) == Principal(
        id="idp:alice",
        issuer=ISSUER,
        kind="jwt",
        claims=body,
        groups=("ops",),
        agent="cli",
    )


@pytest.mark.parametrize(
    "proof",
    [
        Proof(),
        Proof(api_key="cgk_x"),
        Proof(authorization="Basic YTpi"),
        Proof(authorization="Bearer opaque"),
        bearer(a_token(claims(iss="https://other.example"))),
    ],
    ids=["nothing", "api key", "basic", "opaque", "other issuer"],
)
def test_other_proofs_are_left_to_others(key_file: Path, proof: Proof) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    assert asyncio.run(authenticator.authenticate(proof)) is None


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"aud": "other"}, "wrong audience: expected callgate"),
        ({"aud": None}, "wrong audience: expected callgate"),
        ({"exp": int(CLOCK.now()) - 31}, "expired 31 s ago"),
        ({"exp": None}, "no exp claim"),
        ({"nbf": int(CLOCK.now()) + 60}, "valid only in 60 s (nbf)"),
        ({"sub": None}, "no sub claim"),
    ],
)
def test_a_token_whose_claims_do_not_hold_is_refused_saying_which(
    key_file: Path, changes: dict[str, Any], detail: str
) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    assert refusal(authenticator, a_token(claims(**changes))).detail == detail


def test_a_signature_of_somebody_else_is_refused(key_file: Path) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    token = pyjwt.encode(claims(), OTHER_KEYS["ES256"], "ES256", headers={"kid": "ES256"})
    assert refusal(authenticator, token).detail == "bad signature"


def test_an_unknown_key_is_named(key_file: Path) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    refused = refusal(authenticator, a_token(claims(), kid="next"))
    assert refused.detail == "unknown key: 'next' for ES256"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "ES384", "PS256", ""])
def test_an_algorithm_that_is_not_configured_is_refused(key_file: Path, algorithm: str) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    refused = refusal(authenticator, forged({"alg": algorithm, "kid": "ES256"}, claims()))
    assert "is not one of ES256, EdDSA, RS256" in refused.detail


def test_a_token_of_one_type_of_key_cannot_borrow_another(key_file: Path) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    token = a_token(claims(), algorithm="RS256", kid="ES256")
    assert refusal(authenticator, token).detail == "unknown key: 'ES256' for RS256"


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ('{"alg":"ES256","alg":"none"}', claims()),
        ({"alg": "ES256"}, '{"iss":"https://idp.example","sub":"a","sub":"admin"}'),
        ({"alg": "ES256"}, '{"iss":"https://idp.example","exp":NaN}'),
        ({"alg": "ES256"}, '{"iss":"https://idp.example","exp":1e400}'),
        ({"alg": "ES256"}, '{"iss":"https://idp.example","sub":"\\ud800"}'),
        ({"alg": "ES256"}, "[" * 100 + "]" * 100),
        ({"alg": "ES256"}, []),
        ({"alg": ["ES256"]}, claims()),
        ({"alg": "ES256", "kid": 1}, claims()),
        ({"alg": "ES256", "crit": ["b64"], "b64": True}, claims()),
        ({}, claims()),
    ],
)
def test_a_token_that_can_be_read_in_two_ways_is_refused(
    key_file: Path, header: Any, body: Any
) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    assert refusal(authenticator, forged(header, body)).reason == "The token is malformed."


@pytest.mark.parametrize("of_type", ["logout+jwt", "dpop+jwt", "oauth-id-jag+jwt", 1])
def test_a_token_for_another_purpose_is_refused(key_file: Path, of_type: Any) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    assert "typ is" in refusal(authenticator, a_token(claims(), typ=of_type)).detail


@pytest.mark.parametrize("of_type", ["JWT", "at+jwt", "application/at+jwt", None])
def test_access_tokens_may_say_so(key_file: Path, of_type: str | None) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    assert ask(authenticator, pyjwt.encode(
        claims(), SIGNING_KEYS["ES256"], "ES256", headers={"kid": "ES256", "typ": of_type}
    ))  # fmt: skip


def test_a_shared_secret_is_used_where_it_is_configured() -> None:
    authenticator = JwtAuthenticator(settings(secret=SECRET, algorithms=["HS256"]), CLOCK, no_fetch)
    assert ask(authenticator, pyjwt.encode(claims(), SECRET, "HS256"))
    refused = refusal(authenticator, pyjwt.encode(claims(), SECRET[::-1], "HS256"))
    assert refused.detail == "bad signature"


@given(st.text(alphabet="aA0-_.=!é\x00", max_size=40))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    authenticator = JwtAuthenticator(settings(secret=SECRET, algorithms=["HS256"]), CLOCK, no_fetch)
    try:
        assert ask(authenticator, text) is None
    except Refused as refused:
        assert refused.code == "unauthenticated"


def test_any_changed_byte_breaks_a_token(key_file: Path) -> None:
    authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
    token = a_token(claims(), algorithm="EdDSA")
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        changed = token[:place] + other + token[place + 1 :]
        with pytest.raises(Refused):
            if ask(authenticator, changed) is None:
                raise Refused("unauthenticated", "left to others: no longer of this issuer")


class TestRemembering:
    def test_a_verified_token_gives_the_same_principal_again(self, key_file: Path) -> None:
        authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
        token = a_token(claims())
        assert ask(authenticator, token) is ask(authenticator, token)

    def test_it_is_verified_again_after_five_minutes(self, key_file: Path) -> None:
        clock = FakeClock()
        authenticator = JwtAuthenticator(settings(jwks_file=key_file), clock, no_fetch)
        token = a_token(claims())
        first = ask(authenticator, token)
        clock.advance(jwt.VERIFIED_SECONDS)
        again = ask(authenticator, token)
        assert again == first
        assert again is not first

    def test_it_expires_at_its_expiry(self, key_file: Path) -> None:
        clock = FakeClock()
        authenticator = JwtAuthenticator(settings(jwks_file=key_file), clock, no_fetch)
        token = a_token(claims(exp=int(clock.now()) + 60))
        assert ask(authenticator, token)
        clock.advance(89)
        assert ask(authenticator, token)
        clock.advance(1)
        assert refusal(authenticator, token).reason == "The token has expired."

    def test_a_refused_token_is_not_remembered(self, key_file: Path) -> None:
        clock = FakeClock()
        authenticator = JwtAuthenticator(settings(jwks_file=key_file), clock, no_fetch)
        token = a_token(claims(nbf=int(clock.now()) + 100))
        refusal(authenticator, token)
        clock.advance(100)
        assert ask(authenticator, token)

    def test_only_so_many_are_remembered(
        self, key_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jwt, "MAX_VERIFIED", 2)
        authenticator = JwtAuthenticator(settings(jwks_file=key_file), CLOCK, no_fetch)
        tokens = [a_token(claims(sub=name)) for name in "abc"]
        first = [ask(authenticator, token) for token in tokens]
        assert ask(authenticator, tokens[2]) is first[2]
        assert ask(authenticator, tokens[1]) is first[1]
        assert ask(authenticator, tokens[0]) is not first[0]


def with_issuer(
    scenario: Callable[[FakeIssuer, JwtAuthenticator, FakeClock], Awaitable[None]],
) -> None:
    async def main() -> None:
        clock, fetch = FakeClock(), HttpFetch()
        async with running_issuer() as issuer:
            authenticator = JwtAuthenticator(settings(issuer=issuer.url), clock, fetch)
            await scenario(issuer, authenticator, clock)
            await authenticator.close()
        await fetch.close()

    asyncio.run(main())


def test_published_keys_are_found_over_http_and_rotation_forgets_what_they_verified() -> None:
    async def scenario(
        issuer: FakeIssuer, authenticator: JwtAuthenticator, clock: FakeClock
    ) -> None:
        token = bearer(a_token(claims(iss=issuer.url)))
        assert await authenticator.authenticate(token)
        issuer.publish(jwk_set(public_jwk("RS256", SIGNING_KEYS["RS256"], kid="next")))
        clock.advance(SPACING_SECONDS)
        rotated = a_token(claims(iss=issuer.url), algorithm="RS256", kid="next")
        assert await authenticator.authenticate(bearer(rotated))
        with pytest.raises(Refused) as caught:
            await authenticator.authenticate(token)
        assert caught.value.detail == "unknown key: 'ES256' for ES256"

    with_issuer(scenario)


def test_while_the_issuer_is_down_and_unknown_nobody_is_believed() -> None:
    async def scenario(
        issuer: FakeIssuer, authenticator: JwtAuthenticator, clock: FakeClock
    ) -> None:
        issuer.pages.clear()
        with pytest.raises(Refused) as caught:
            await authenticator.authenticate(bearer(a_token(claims(iss=issuer.url))))
        assert caught.value.code == "identity_unavailable"

    with_issuer(scenario)


def test_what_was_verified_is_forgotten_when_the_grace_ends() -> None:
    async def scenario(
        issuer: FakeIssuer, authenticator: JwtAuthenticator, clock: FakeClock
    ) -> None:
        token = bearer(a_token(claims(iss=issuer.url, exp=int(clock.now()) + 100_000)))
        assert await authenticator.authenticate(token)
        issuer.pages.clear()
        clock.advance(600 + 3600 - 10)
        assert await authenticator.authenticate(token)
        clock.advance(10)
        with pytest.raises(Refused) as caught:
            await authenticator.authenticate(token)
        assert caught.value.code == "identity_unavailable"

    with_issuer(scenario)


@pytest.mark.parametrize("content", [None, b"<html>", b'{"keys": []}'])
def test_a_key_file_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IssuerError):
        JwtAuthenticator(settings(jwks_file=path), CLOCK, no_fetch)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"audience": []}, "or `allowed_clients`"),
        ({"issuer": "http://idp.example"}, "not https"),
        ({"jwks_url": "http://idp.example/keys"}, "not https"),
        ({"jwks_url": "https://idp.example/k", "jwks_file": "k.json"}, "keep one source of keys"),
        ({"algorithms": ["none"]}, "Input should be"),
        ({"algorithms": ["ES256", "HS256"]}, "HS256 needs `secret`"),
        ({"algorithms": ["ES256", "HS256"], "secret": SECRET}, "may list HS256"),
        ({"algorithms": ["HS512"], "secret": SECRET}, "at least 64 bytes"),
        ({"secret": SECRET}, "may list HS256"),
        ({"clock_skew_seconds": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_that_would_weaken_verification_are_errors(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        settings(**changes)
    assert all(SECRET not in error["msg"] for error in caught.value.errors())
