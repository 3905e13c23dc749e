"""Large arguments and results in a bucket: a real gateway, a bucket that fails, and kill -9."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from callgate.protocol.refusals import META_KEY
from callgate.storage.blobs.opening import reader_of
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.running import Running, running
from fakes.s3_server import KEY, REGION, S3, SECRET, an_s3

pytestmark = pytest.mark.e2e

SHOP = '''
def echo(note: str, secret: str = "") -> dict:
    """Say it again."""
    with open("executed.txt", "a") as file:
        file.write(f"{note[:5]}\\n")
    return {"note": note, "secret": secret}
'''
CONFIG = """
identity: {anonymous: true}
targets: {shop: {python: shop}}
policies: {files: ["*.cedar"]}
store:
  mask: [secret]
  blobs:
    timeout_seconds: 30
    s3:
      bucket: record
      endpoint: %s
      region: %s
      access_key_id: ${env:S3_TEST_KEY}
      secret_access_key: ${env:S3_TEST_SECRET}
"""
POLICY = '@id("all") permit(principal, action, resource);'


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_TEST_KEY", KEY)
    monkeypatch.setenv("S3_TEST_SECRET", SECRET)


def a_gateway(directory: Path, s3: S3) -> Any:
    config = CONFIG % (s3.url, REGION)
    return running(directory, config, shop__py=SHOP, p__cedar=POLICY)


def records(directory: Path, s3: S3) -> Records:
    said = {
        "path": directory / "callgate.db",
        "blobs": {
            "s3": {
                "bucket": "record",
                "endpoint": s3.url,
                "region": REGION,
                "access_key_id": KEY,
                "secret_access_key": SECRET,
            }
        },
    }
    settings = StoreSettings.model_validate(said)
    return Records(settings, reader_of(settings))


def code(answer: Any) -> str:
    meta = answer["result"].get("_meta") or {}
    return str(meta[META_KEY]["code"]) if META_KEY in meta else "ok"


@pytest.mark.usefixtures("keys")
def test_a_large_call_is_told_whole_and_its_secrets_are_nowhere(tmp_path: Path) -> None:
    with an_s3() as s3:
        with a_gateway(tmp_path, s3) as gateway:
            long = "n" * 100_000 + "hunter2-hunter2"
            _, answer = gateway.call("shop___echo", note=long, secret="hunter2-hunter2")
            assert answer["result"]["structuredContent"]["note"] == long
            call_id = records(tmp_path, s3).find("c")[0]
            told = json.loads(gateway.callgate("explain", call_id, "--json"))
            gateway.stop()

        call: dict[str, Any] = {}
        for entry in records(tmp_path, s3).entries(call_id):
            call |= entry
        assert call["arguments"] == {"note": "n" * 100_000 + "***", "secret": "***"}
        assert call["masked"] == ["secret", "note"]
        assert call["content"]["structuredContent"]["note"] == "n" * 100_000 + "***"
        assert call["masked_repeats"] is True
        assert len(s3.objects) == 2
        everything = [*s3.objects.values(), json.dumps(told).encode()]
        everything += [file.read_bytes() for file in tmp_path.glob("callgate.db*")]
        assert not [one for one in everything if b"hunter2" in one or SECRET.encode() in one]


@pytest.mark.usefixtures("keys")
def test_while_the_bucket_fails_nothing_is_executed_and_nothing_is_forgotten(
    tmp_path: Path,
) -> None:
    with an_s3() as s3, a_gateway(tmp_path, s3) as gateway:
        s3.faults = [503] * 9
        _, large = gateway.call("shop___echo", note="large" + "n" * 100_000)
        _, small = gateway.call("shop___echo", note="small")
        assert (code(large), code(small)) == ("record_unavailable", "record_unavailable")
        assert not (tmp_path / "executed.txt").exists()

        s3.faults = []
        gateway.await_log("large payloads can be kept again")
        _, again = gateway.call("shop___echo", note="again" + "n" * 100_000)
        assert (code(again), (tmp_path / "executed.txt").read_text()) == ("ok", "again\n")
        gateway.stop()

        codes = [
            entry["code"]
            for _, entry in records(tmp_path, s3).scan({})
            if entry["kind"] == "outcome"
        ]
        assert sorted(codes) == ["ok", "record_unavailable", "record_unavailable"]
        assert SECRET not in "\n".join(gateway.log)


@pytest.mark.usefixtures("keys")
def test_a_gateway_killed_while_a_payload_is_on_its_way_has_executed_nothing(
    tmp_path: Path,
) -> None:
    with an_s3() as s3:
        with a_gateway(tmp_path, s3) as gateway:
            s3.is_slow = True
            asking = threading.Thread(target=_call, args=(gateway,))
            asking.start()
            assert s3.waiting.wait(120)
            gateway.stop(signal.SIGKILL)
            asking.join()
        s3.is_slow = False
        s3.release.set()

        assert not (tmp_path / "executed.txt").exists()
        kinds = {entry["kind"] for _, entry in records(tmp_path, s3).scan({})}
        assert "intent" not in kinds
        with a_gateway(tmp_path, s3) as gateway:
            _, again = gateway.call("shop___echo", note="again" + "n" * 100_000)
            assert code(again) == "ok"
            assert "hold" in gateway.callgate("audit", "verify")


def _call(gateway: Running) -> None:
    try:
        gateway.call("shop___echo", note="dying" + "n" * 100_000)
    except OSError:
        return  # it died
