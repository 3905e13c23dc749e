import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.identity.api_keys import digest_of, new_key
from callgate.identity.chain import IdentitySettings, build_authenticator
from callgate.identity.fetching import FetchError
from callgate.model import Principal, Proof, Refused
from fakes.clock import FakeClock
from fakes.issuer import SIGNING_KEYS, a_token, jwk_set, public_jwk

CLOCK = FakeClock()
KEY = new_key()
API_KEY = {"name": "ci", "sha256": digest_of(KEY), "principal": "build"}


async def no_fetch(url: str) -> tuple[int, bytes]:
    raise AssertionError(f"fetched {url}")


def an_issuer(name: str, **changes: Any) -> dict[str, Any]:
    return {"issuer": f"https://{name}.example", "audience": ["callgate"], **changes}


def ask(settings: dict[str, Any], proof: Proof) -> Principal:
    tree = IdentitySettings.model_validate(settings)
    return asyncio.run(build_authenticator(tree, CLOCK, no_fetch).authenticate(proof))


def refusal(settings: dict[str, Any], proof: Proof) -> Refused:
    with pytest.raises(Refused) as caught:
        ask(settings, proof)
    assert caught.value.code == "unauthenticated"
    return caught.value


def a_bearer(issuer: str) -> Proof:
    body = {"iss": f"https://{issuer}.example", "sub": "al", "aud": "callgate", "exp": 2e9}
    return Proof(authorization="Bearer " + a_token(body))


def test_with_nothing_configured_nobody_gets_in() -> None:
    refused = refusal({}, Proof(is_loopback=True))
    assert refused.reason == "Present a bearer token or an API key."


def test_each_kind_of_proof_finds_its_authenticator(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(jwk_set())
    keys = {"jwks_file": tmp_path / "keys.json"}
    settings = {
        "anonymous": True,
        "api_keys": [API_KEY],
        "jwt": [an_issuer("a", id_prefix="a:", **keys), an_issuer("b", id_prefix="b:", **keys)],
    }
    assert ask(settings, Proof(is_loopback=True)).kind == "anonymous"
    assert ask(settings, Proof(api_key=KEY, is_loopback=True)).id == "build"
    assert ask(settings, Proof(authorization=f"Bearer {KEY}")).id == "build"
    assert ask(settings, a_bearer("a")).id == "a:al"
    assert ask(settings, a_bearer("b")).id == "b:al"
    assert "knows the presented Authorization header" in refusal(settings, a_bearer("c")).detail


@pytest.mark.parametrize(
    "proof",
    [
        Proof(api_key=new_key(), is_loopback=True),
        Proof(api_key="", is_loopback=True),
        Proof(authorization="", is_loopback=True),
        Proof(authorization="Basic YTpi", is_loopback=True),
        Proof(authorization="Bearer opaque", is_loopback=True),
        Proof(authorization=f"Bearer {new_key()}", is_loopback=True),
        Proof(authorization=f"Bearer {KEY}", api_key=KEY, is_loopback=True),
    ],
)
@pytest.mark.parametrize("keys", [[], [API_KEY]], ids=["no keys", "keys"])
def test_a_proof_that_does_not_hold_never_falls_through_to_anonymous(
    proof: Proof, keys: list[dict[str, Any]]
) -> None:
    refused = refusal({"anonymous": True, "api_keys": keys}, proof)
    assert KEY not in refused.reason + refused.detail


def test_anonymous_may_be_switched_off_or_described() -> None:
    assert IdentitySettings.model_validate({"anonymous": False}).anonymous is None
    described = ask({"anonymous": {"id": "dev", "groups": ["d"]}}, Proof(is_loopback=True))
    assert (described.id, described.groups) == ("dev", ("d",))


@pytest.mark.parametrize(
    ("prefixes", "is_safe"),
    [
        (("a:", "b:"), True),
        (("", ""), False),
        (("", "b:"), False),
        (("a:", "a:"), False),
        (("a", "ab"), False),
    ],
)
def test_two_issuers_can_never_name_the_same_principal(
    prefixes: tuple[str, str], is_safe: bool
) -> None:
    tree = {"jwt": [an_issuer(n, id_prefix=p) for n, p in zip("ab", prefixes, strict=True)]}
    if is_safe:
        IdentitySettings.model_validate(tree)
    else:
        with pytest.raises(ValidationError, match="could name the users of"):
            IdentitySettings.model_validate(tree)


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ({"jwt": [an_issuer("a"), an_issuer("a")]}, "two entries have the issuer"),
        ({"api_keys": [API_KEY, {**API_KEY, "sha256": "0" * 64}]}, "two keys have the name ci"),
        ({"api_keys": [API_KEY, {**API_KEY, "name": "x"}]}, "two keys have the sha256"),
        ({"anonymous": "yes"}, "anonymous"),
    ],
)
def test_entries_that_contradict_each_other_are_errors(tree: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        IdentitySettings.model_validate(tree)


def test_a_reload_keeps_the_keys_of_an_issuer_that_is_down_now() -> None:
    async def scenario() -> None:
        is_up = True

        async def fetch(url: str) -> tuple[int, bytes]:
            if not is_up:
                raise FetchError("down")
            return 200, jwk_set()

        tree = IdentitySettings.model_validate(
            {"jwt": [an_issuer("a", jwks_url="https://a.example/keys")]}
        )
        old = build_authenticator(tree, CLOCK, fetch)
        await old.authenticate(a_bearer("a"))
        is_up = False
        new = build_authenticator(tree, CLOCK, fetch, old)
        await old.close()
        assert (await new.authenticate(a_bearer("a"))).id == "al"
        changed = IdentitySettings.model_validate(
            {"jwt": [an_issuer("a", jwks_url="https://a.example/keys", id_prefix="x:")]}
        )
        with pytest.raises(Refused) as caught:
            await build_authenticator(changed, CLOCK, fetch, new).authenticate(a_bearer("a"))
        assert caught.value.code == "identity_unavailable"
        await new.close()

    asyncio.run(scenario())


def test_a_key_file_is_read_again_by_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(jwk_set())
    tree = IdentitySettings.model_validate({"jwt": [an_issuer("a", jwks_file=file)]})
    old = build_authenticator(tree, CLOCK, no_fetch)
    asyncio.run(old.authenticate(a_bearer("a")))
    file.write_bytes(jwk_set(public_jwk("RS256", SIGNING_KEYS["RS256"])))
    new = build_authenticator(tree, CLOCK, no_fetch, old)
    with pytest.raises(Refused) as caught:
        asyncio.run(new.authenticate(a_bearer("a")))
    assert caught.value.detail.startswith("unknown key")
