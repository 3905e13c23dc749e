"""Where large payloads go, as callgate.yaml says it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from callgate.storage.blobs.settings import BlobSettings, S3Settings


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"bucket": "A"}, "bucket"),
        ({"endpoint": "ftp://x"}, "https URL"),
        ({"endpoint": "http://s3.example.com"}, "plain http is for this machine only"),
        ({"endpoint": "https://u:p@s3.example.com"}, "must not carry a user name or password"),
        ({"endpoint": "https://s3.example.com/x?y"}, "no more than scheme, host and port"),
        ({"prefix": "a"}, "prefix"),
        ({"prefix": "../"}, "prefix"),
        ({"prefix": "a//"}, "prefix"),
        ({"access_key_id": "A"}, "go together"),
        ({"addressing": "other"}, "addressing"),
    ],
)
def test_what_cannot_be_a_bucket_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        S3Settings.model_validate({"bucket": "record", **said})


def test_a_bucket_of_this_machine_may_be_plain_http() -> None:
    assert S3Settings(bucket="record", endpoint="http://127.0.0.1:9000/").endpoint == (
        "http://127.0.0.1:9000"
    )


def test_secrets_are_not_shown() -> None:
    said = {"bucket": "record", "access_key_id": "A", "secret_access_key": "hunter2"}

    assert "hunter2" not in repr(S3Settings.model_validate(said))


def test_there_is_one_place() -> None:
    with pytest.raises(ValidationError, match="either `path` or `s3`"):
        BlobSettings.model_validate({"path": "a", "s3": {"bucket": "record"}})
