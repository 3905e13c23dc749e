import asyncio

import pytest
from pydantic import SecretStr

from callgate.storage.blobs.s3_requests import Bucket
from callgate.storage.blobs.settings import S3Settings
from callgate.witnesses.s3 import Lock, S3Witness
from callgate.witnesses.witness import Disputed, WitnessError
from fakes.clock import FakeClock
from fakes.s3_server import KEY, REGION, S3, SECRET, an_s3
from fakes.witnesses import FakeLogOfLogs


def settings(s3: S3) -> S3Settings:
    return S3Settings(
        bucket="record",
        endpoint=s3.url,
        region=REGION,
        prefix="callgate/",
        access_key_id=SecretStr(KEY),
        secret_access_key=SecretStr(SECRET),
    )


def show(s3: S3, log: FakeLogOfLogs, lock: Lock | None = None) -> None:
    witness = S3Witness("bucket", Bucket(settings(s3), 10), lock, FakeClock(1_700_000_000.0))

    async def run() -> None:
        try:
            assert await witness.show(log.shown()) == ()
        finally:
            await witness.close()

    asyncio.run(run())


def test_each_checkpoint_is_an_object_whose_name_sorts() -> None:
    log = FakeLogOfLogs()
    with an_s3() as s3:
        for size in (1, 12):
            log.grow(size - log.calls)
            show(s3, log)
            show(s3, log)  # again: it is there already

    names = sorted(s3.objects)
    assert [name.rpartition("/")[2] for name in names] == [f"{1:020}.txt", f"{12:020}.txt"]
    assert s3.objects[names[1]].decode() == log.newest()


def test_an_object_is_locked_where_that_is_wanted() -> None:
    log = FakeLogOfLogs()
    log.grow()
    with an_s3() as s3:
        show(s3, log, Lock("compliance", 365))

    headers = s3.asked[-1].headers
    assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert headers["x-amz-object-lock-retain-until-date"] == "2024-11-13T22:13:20Z"
    assert headers["x-amz-checksum-sha256"]


def test_another_checkpoint_of_the_same_size_is_disputed() -> None:
    log, other = FakeLogOfLogs(), FakeLogOfLogs()
    log.grow(3)
    other.calls = 100
    other.grow(3)
    with an_s3() as s3:
        show(s3, log)
        with pytest.raises(Disputed, match="another checkpoint of 3 entries"):
            show(s3, other)


@pytest.mark.parametrize("status", [403, 500])
def test_a_bucket_that_refuses_is_said_to_without_secrets(status: int) -> None:
    log = FakeLogOfLogs()
    log.grow()
    with an_s3() as s3:
        s3.faults = [status] * 9
        with pytest.raises(WitnessError, match=f"HTTP {status}") as raised:
            show(s3, log)
    assert SECRET not in str(raised.value)
