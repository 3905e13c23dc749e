"""Signatures as AWS publishes them, credentials from everywhere, and nothing without them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.aws_signing import CredentialSettings, Signer, SigningError, region_here

# "Signature Version 4 test suite", and "Examples: Signature Calculations" of the S3 API reference.
SUITE = {
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
EXAMPLES = {
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own is found: neither variables, files nor a role."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def signer(service: str, said: dict[str, str]) -> Signer:
    return Signer(service, "us-east-1", CredentialSettings.model_validate(said))


def at(instant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time at which what follows is signed."""
    then = datetime.strptime(instant, "%Y%m%dT%H%M%S%z")
    monkeypatch.setattr(import_module("botocore.auth"), "get_current_datetime", lambda **_: then)


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)
def test_a_signature_is_that_of_the_published_suite(
    method: str, signature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("20150830T123600Z", monkeypatch)

    headers = signer("service", SUITE).signed(method, "https://example.amazonaws.com/", {}, b"")

    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )


def test_s3_is_signed_in_its_own_way_with_the_digest_of_the_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at("20130524T000000Z", monkeypatch)
    url = "https://examplebucket.s3.amazonaws.com/test.txt"

    headers = signer("s3", EXAMPLES).signed("GET", url, {"Range": "bytes=0-9"}, b"")

    assert headers["Authorization"].endswith(
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    assert headers["Range"] == "bytes=0-9"


def test_temporary_credentials_carry_their_token() -> None:
    said = {**SUITE, "session_token": "t0ken"}

    headers = signer("lambda", said).signed("POST", "https://l.example/", {}, b"x")

    assert headers["X-Amz-Security-Token"] == "t0ken"
    assert "x-amz-security-token" in headers["Authorization"]


def test_credentials_are_found_where_the_sdks_find_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = signer("lambda", {})
    with pytest.raises(SigningError, match="no AWS credentials were found; set `access_key_id`"):
        made.signed("POST", "https://l.example/", {}, b"")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDHERE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    assert (
        "Credential=AKIDHERE/"
        in made.signed("POST", "https://l.example/", {}, b"")["Authorization"]
    )


def test_threads_may_sign_at_once() -> None:
    made = signer("s3", SUITE)

    def digest(number: int) -> str:
        body = bytes([number])
        return made.signed("PUT", "https://s.example/x", {}, body)["X-Amz-Content-SHA256"]

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(digest, range(64)))) == 64


@pytest.mark.parametrize("said", [{"access_key_id": "A"}, {"secret_access_key": "hunter2"}])
def test_half_of_credentials_is_an_error_that_shows_none(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="go together") as raised:
        CredentialSettings.model_validate(said)
    assert "hunter2" not in str(raised.value)


def test_the_region_may_be_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert region_here() is None
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert region_here() == "eu-central-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert region_here() == "eu-west-1"
