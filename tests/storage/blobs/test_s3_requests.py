"""Where a bucket is asked, and with whose credentials."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.storage.blobs import s3_requests
from callgate.storage.blobs.blob_store import BlobError
from callgate.storage.blobs.s3_requests import Answer, Bucket
from callgate.storage.blobs.settings import S3Settings
from fakes.s3_server import KEY, REGION, SECRET, an_s3


def url(**said: Any) -> str:
    return s3_requests._url(S3Settings(bucket=said.pop("bucket", "record"), **said), "eu-west-1")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "https://record.s3.eu-west-1.amazonaws.com/"),
        ({"prefix": "a/b/"}, "https://record.s3.eu-west-1.amazonaws.com/a/b/"),
        ({"bucket": "my.record"}, "https://s3.eu-west-1.amazonaws.com/my.record/"),
        ({"addressing": "path"}, "https://s3.eu-west-1.amazonaws.com/record/"),
        ({"endpoint": "https://minio.example:9000"}, "https://minio.example:9000/record/"),
        (
            {"endpoint": "https://minio.example:9000", "addressing": "virtual"},
            "https://record.minio.example:9000/",
        ),
    ],
)
def test_the_bucket_stands_in_the_host_or_in_the_path(said: dict[str, Any], expected: str) -> None:
    assert url(**said) == expected


def test_credentials_are_found_where_the_sdks_find_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", REGION)
    with an_s3() as s3:
        bucket = Bucket(S3Settings(bucket="record", endpoint=s3.url), 9.0)
        assert bucket.ask("GET", "nothing").status == 404
        bucket.close()


def test_without_credentials_it_is_said_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    bucket = Bucket(S3Settings(bucket="record", endpoint="http://127.0.0.1:9"), 9.0)
    with pytest.raises(BlobError, match="no AWS credentials were found"):
        bucket.ask("GET", "nothing")


def test_of_an_error_only_its_code_is_repeated() -> None:
    assert Answer(status=403, body=b"<Error><Code>AccessDenied</Code><M>secret</M>").code == (
        "AccessDenied"
    )
    assert Answer(status=403, body=b"<Code>\x1b[2J</Code>").code == ""
    assert Answer(status=403).code == ""


def test_who_closes_ends_the_waiting_for_another_attempt() -> None:
    with an_s3() as s3:
        s3.faults = [500] * 9
        settings = {"bucket": "record", "endpoint": s3.url, "access_key_id": KEY}
        bucket = Bucket(S3Settings.model_validate({**settings, "secret_access_key": SECRET}), 9.0)
        bucket.close()
        with pytest.raises(BlobError, match="HTTP 500"):
            bucket.ask("GET", "nothing")
        assert len(s3.asked) == 1
