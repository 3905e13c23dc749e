"""Payloads in a bucket; on real HTTP, with signatures that are checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from callgate.storage.blobs.blob_store import BlobError, digest_of
from callgate.storage.blobs.s3 import S3Blobs
from callgate.storage.blobs.settings import S3Settings
from fakes.s3_server import KEY, REGION, S3, SECRET, an_s3

CONTENT = '{"arguments":{"note":"ä"}}'.encode() * 1000
DIGEST = digest_of(CONTENT)
NAME = f"/{DIGEST[:2]}/{DIGEST}"


@pytest.fixture
def s3() -> Iterator[S3]:
    with an_s3() as running:
        yield running


def blobs_in(s3: S3, timeout_seconds: float = 9.0, **more: Any) -> S3Blobs:
    settings = {
        "bucket": "record",
        "endpoint": s3.url,
        "region": REGION,
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        **more,
    }
    return S3Blobs(S3Settings.model_validate(settings), timeout_seconds)


def test_what_is_put_can_be_had_again_until_it_is_deleted(s3: S3) -> None:
    blobs = blobs_in(s3)
    assert (blobs.has(DIGEST), blobs.get(DIGEST)) == (False, None)
    blobs.put(DIGEST, CONTENT)

    assert (s3.objects, blobs.has(DIGEST), blobs.get(DIGEST)) == ({NAME: CONTENT}, True, CONTENT)
    blobs.set_aside(DIGEST)
    blobs.set_aside(DIGEST)
    assert s3.objects == {f"/aside/{DIGEST}": CONTENT}
    assert (blobs.has(DIGEST), blobs.get(DIGEST)) == (True, CONTENT)
    assert not blobs.is_in_place(DIGEST)
    blobs.put_back(DIGEST)
    assert blobs.is_in_place(DIGEST)
    blobs.put_back(DIGEST)
    assert s3.objects == {NAME: CONTENT}
    blobs.set_aside(DIGEST)
    blobs.delete(DIGEST)
    blobs.delete(DIGEST)
    assert (s3.objects, blobs.get(DIGEST)) == ({}, None)
    blobs.close()


def test_names_begin_with_the_prefix(s3: S3) -> None:
    blobs_in(s3, prefix="callgate/payloads/").put(DIGEST, CONTENT)

    assert list(s3.objects) == [f"/callgate/payloads{NAME}"]


def test_a_session_token_is_sent_and_signed(s3: S3) -> None:
    s3.token = "of-a-role"
    blobs_in(s3, session_token="of-a-role").put(DIGEST, CONTENT)

    assert list(s3.objects) == [NAME]


def test_what_is_there_is_looked_at_and_not_sent_again(s3: S3) -> None:
    blobs = blobs_in(s3)
    blobs.put(DIGEST, CONTENT)
    blobs.put(DIGEST, CONTENT)

    assert [one.method for one in s3.asked] == ["PUT", "PUT", "GET"]
    assert s3.objects == {NAME: CONTENT}


def test_another_content_in_its_place_is_put_right(s3: S3) -> None:
    s3.objects[NAME] = b"lies"
    blobs = blobs_in(s3)
    with pytest.raises(BlobError, match="was replaced by something else"):
        blobs.get(DIGEST)
    blobs.put(DIGEST, CONTENT)

    assert blobs.get(DIGEST) == CONTENT


def test_a_server_without_conditions_is_asked_without_them(s3: S3) -> None:
    s3.knows_conditions = False
    blobs = blobs_in(s3)
    blobs.put(DIGEST, CONTENT)
    blobs.put(DIGEST, CONTENT)

    assert ["if-none-match" in one.headers for one in s3.asked] == [True, False, False]
    assert s3.objects == {NAME: CONTENT}


@pytest.mark.parametrize("status", [500, 503, 429, 409])
def test_what_may_pass_is_tried_again(s3: S3, status: int) -> None:
    s3.faults = [status, status]
    blobs_in(s3).put(DIGEST, CONTENT)

    assert s3.objects == {NAME: CONTENT}
    assert len(s3.asked) == 3


def test_it_is_not_tried_for_ever(s3: S3) -> None:
    s3.faults = [500] * 9
    with pytest.raises(BlobError, match=r"s3://record/: HTTP 500 Fault500$"):
        blobs_in(s3).put(DIGEST, CONTENT)

    assert len(s3.asked) == 3


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 405])
def test_what_does_not_pass_is_said_at_once_without_what_the_server_repeats(
    s3: S3, status: int
) -> None:
    for act in ("put", "get", "has", "delete"):
        s3.faults, s3.asked = [status, status], []
        blobs = blobs_in(s3)
        if (act, status) in (("has", 404), ("delete", 404)):
            continue  # an answer
        arguments = (DIGEST, CONTENT) if act == "put" else (DIGEST,)
        with pytest.raises(BlobError, match=f"HTTP {status}") as caught:
            getattr(blobs, act)(*arguments)
        assert SECRET not in str(caught.value)
        assert len(s3.asked) == (2 if (act, status) == ("put", 400) else 1)


def test_a_wrong_secret_is_refused_and_not_repeated(s3: S3) -> None:
    with pytest.raises(BlobError, match="HTTP 403 SignatureDoesNotMatch") as caught:
        blobs_in(s3, secret_access_key="wrong-and-secret").put(DIGEST, CONTENT)

    assert "wrong-and-secret" not in str(caught.value)
    assert s3.objects == {}


def test_a_server_that_does_not_answer_is_not_waited_for(s3: S3) -> None:
    s3.is_slow = True
    with pytest.raises(BlobError, match=r"no answer within 0\.0 s"):
        blobs_in(s3, timeout_seconds=0.06).put(DIGEST, CONTENT)


def test_a_server_that_is_not_there_is_said() -> None:
    with an_s3() as gone:
        blobs = blobs_in(gone)
    with pytest.raises(BlobError, match="cannot be reached"):
        blobs.put(DIGEST, CONTENT)


def test_nothing_else_than_a_digest_becomes_a_name(s3: S3) -> None:
    for name in ("../../etc/passwd", "", "A" * 64):
        with pytest.raises(BlobError, match="is no digest"):
            blobs_in(s3).get(name)
    assert s3.asked == []
