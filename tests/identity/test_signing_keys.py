import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from callgate.identity.signing_keys import (
    FITTING,
    MAX_KEYS,
    IssuerError,
    read_keys,
    secret_keys,
    signed_payload,
)
from fakes.issuer import OTHER_KEYS, SIGNING_KEYS, a_token, jwk_set, public_jwk

EVERY = tuple(FITTING)
SECRET = "s" * 32


@pytest.mark.parametrize("algorithm", sorted(SIGNING_KEYS))
def test_a_signature_holds_with_the_key_that_made_it(algorithm: str) -> None:
    keys = read_keys(jwk_set(), EVERY).find(algorithm, algorithm)
    assert len(keys) == 1
    payload = signed_payload(a_token({"sub": "a"}, algorithm=algorithm), keys, algorithm)
    assert payload == b'{"sub":"a"}'


def test_a_signature_of_another_key_does_not_hold() -> None:
    keys = read_keys(jwk_set(public_jwk("ES256", OTHER_KEYS["ES256"])), EVERY)
    assert signed_payload(a_token({}), keys.find(None, "ES256"), "ES256") is None


def test_a_token_without_a_key_id_is_tried_against_every_fitting_key() -> None:
    keys = read_keys(
        jwk_set(
            public_jwk("ES256", OTHER_KEYS["ES256"], kid="old"),
            public_jwk("ES256", SIGNING_KEYS["ES256"], kid="new"),
            public_jwk("RS256", SIGNING_KEYS["RS256"]),
        ),
        EVERY,
    ).find(None, "ES256")
    assert len(keys) == 2
    assert signed_payload(a_token({}, kid=None), keys, "ES256") == b"{}"


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"alg": "ES384"},
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"x": 5},
        {"x": "AAAA"},
        {"y": None},
    ],
)
def test_a_key_for_something_else_is_left_out(change: dict[str, Any]) -> None:
    keys = read_keys(jwk_set(public_jwk("ES256", SIGNING_KEYS["ES256"], **change)), EVERY)
    assert keys.find(None, "ES256") == ()


def test_a_weak_key_is_left_out() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert read_keys(jwk_set(public_jwk("RS256", weak)), EVERY).by_use == {}


def test_a_shared_secret_in_a_published_set_is_left_out() -> None:
    published = {"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 64).decode(), "kid": "x"}
    assert read_keys(jwk_set(published), EVERY).by_use == {}


def test_only_allowed_algorithms_have_keys() -> None:
    keys = read_keys(jwk_set(), ("ES256",))
    assert {algorithm for _, algorithm in keys.by_use} == {"ES256"}


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    pem = (
        SIGNING_KEYS["RS256"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "RS256"}, {"sub": "admin"})
    )
    mac = hmac.new(pem, head + b"." + body, hashlib.sha256).digest()
    forged = b".".join((head, body, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()
    keys = read_keys(jwk_set(), EVERY)
    assert keys.find("RS256", "HS256") == ()
    assert signed_payload(forged, keys.find("RS256", "RS256"), "RS256") is None


def test_a_private_key_in_the_set_by_mistake_only_verifies() -> None:
    entry = json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(SIGNING_KEYS["EdDSA"]))
    assert "d" in entry
    keys = read_keys(jwk_set(entry), EVERY).find(None, "EdDSA")
    assert not hasattr(keys[0].key, "sign")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [], "keys": []}',
        json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(),
    ],
)
def test_what_is_no_key_set_is_the_issuers_fault(document: bytes) -> None:
    with pytest.raises(IssuerError):
        read_keys(document, EVERY)


def test_entries_that_are_no_keys_do_not_spoil_the_others() -> None:
    good = public_jwk("ES256", SIGNING_KEYS["ES256"])
    keys = read_keys(json.dumps({"keys": [None, "x", {}, {"kty": "EC"}, good]}).encode(), EVERY)
    assert len(keys.find("ES256", "ES256")) == 1


def test_an_emptied_key_set_withdraws_all_keys() -> None:
    assert read_keys(b'{"keys": []}', EVERY).by_use == {}


def test_a_shared_secret_verifies_what_it_signed_and_nothing_else() -> None:
    keys = secret_keys(SECRET, ["HS256"]).find(None, "HS256")
    assert signed_payload(jwt.encode({}, SECRET, "HS256"), keys, "HS256") == b"{}"
    assert signed_payload(jwt.encode({}, "t" * 32, "HS256"), keys, "HS256") is None


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "!.!.!"])
def test_what_is_no_token_has_no_payload(token: str) -> None:
    keys = read_keys(jwk_set(), EVERY).find("ES256", "ES256")
    assert signed_payload(token, keys, "ES256") is None
