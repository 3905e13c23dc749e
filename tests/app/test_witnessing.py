import asyncio
from pathlib import Path

import pytest

from callgate.app.parts import PartError
from callgate.app.witnessing import StoredLogOfLogs, build_countersigner, build_witnessing
from callgate.audit.checkpoints import read_checkpoint
from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.audit.merkle import check_consistency
from callgate.audit.notes import Note, witnessed
from callgate.audit.submissions import Submission
from callgate.config.loading import load_config
from callgate.ports import StoreError
from callgate.witnesses.tlog import TlogWitness
from callgate.witnesses.witnessing import Witnessing
from fakes.clock import FakeClock
from fakes.filled import fill
from fakes.http_target import HttpTarget, Seen, Talk
from fakes.tampering import calls

WITNESS = SigningKey.generated("witness.example", COSIGNATURE)


def test_the_log_of_logs_is_read_proved_and_cosigned(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 50), per_checkpoint=20)
    log = StoredLogOfLogs(settings)
    older = log.newest()
    assert older is not None
    fill(tmp_path / "r.db", calls(50, 100), per_checkpoint=20)
    newer = log.newest()
    assert newer is not None
    was, now = read_checkpoint(older)[0], read_checkpoint(newer)[0]
    assert 0 < was.size < now.size
    check_consistency(was.size, was.root, now.size, now.root, log.proof(was.size, now.size))

    log.add(now.size, [witnessed(now.text, WITNESS, 17)])
    kept = log.newest()
    assert kept is not None
    assert Note.parse(kept).signed_by([WITNESS.verifier]) == {WITNESS.verifier: 17}


def test_what_cannot_be_read_or_proved_is_a_fault_of_the_store(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 5))

    with pytest.raises(StoreError, match="cannot be proved"):
        StoredLogOfLogs(settings).proof(5, 10_000)
    (tmp_path / "r.db").unlink()
    with pytest.raises(StoreError):
        StoredLogOfLogs(settings).newest()


CONFIG = f"""
identity: {{anonymous: true}}
store: {{path: r.db}}
witnesses:
  every_seconds: 30
  show_to:
    - {{name: office, file: seen.txt}}
    - {{name: hook, webhook: {{url: "https://h.example/x", headers: {{Authorization: "${{env:HOOK}}"}}}}}}
    - {{name: partner, tlog: "https://w.example", key: "{WITNESS.verifier.text}"}}
    - {{name: vault, s3: {{bucket: checkpoints, region: eu-1, lock: {{days: 365}}}}}}
"""


def test_every_kind_of_witness_is_built(tmp_path: Path) -> None:
    path = tmp_path / "callgate.yaml"
    path.write_text(CONFIG)
    watching = build_witnessing(load_config(path, {"HOOK": "Bearer x"}), FakeClock())

    assert [one.name for one in watching.status] == ["office", "hook", "partner", "vault"]


def test_checkpoints_go_from_a_store_to_a_file_elsewhere(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 50))
    path = tmp_path / "callgate.yaml"
    path.write_text(CONFIG.partition("    - {name: hook")[0])
    asyncio.run(build_witnessing(load_config(path, {}), FakeClock()).close())

    assert (tmp_path / "seen.txt").read_text().rstrip("\n") == (
        str(StoredLogOfLogs(settings).newest()).rstrip("\n")
    )


ACTING = """
identity: {{anonymous: true}}
listeners:
  control:
    witness:
      key_file: witness-key
      logs:
        - {{origin: "{origin}", keys: ["{key}"]}}
"""


def test_two_gateways_watch_each_other(tmp_path: Path) -> None:
    log = StoredLogOfLogs(fill(tmp_path / "r.db", calls(0, 50)))
    newest = log.newest()
    assert newest is not None
    said = read_checkpoint(newest)[0]
    key = SigningKey.parse((tmp_path / "r.db-key").read_text()).verifier.text
    (tmp_path / "witness-key").write_text(f"# of the witness\n{WITNESS.text}\n")
    path = tmp_path / "callgate.yaml"
    path.write_text(ACTING.format(origin=said.origin, key=key))
    countersigner = build_countersigner(load_config(path, {}), FakeClock())
    assert countersigner is not None

    async def answer(seen: Seen, talk: Talk) -> None:
        reply = countersigner.submit(seen.body)
        await talk.respond(reply.status, reply.body.encode(), reply.media_type)

    async def run() -> None:
        async with HttpTarget(answer) as server:
            witness = TlogWitness("other", server.url, WITNESS.verifier, 10)
            watching = Witnessing(log, [witness], every_seconds=10)
            assert await watching.once(witness), watching.status
            await witness.close()

    asyncio.run(run())
    kept = log.newest()
    assert kept is not None
    assert WITNESS.verifier in Note.parse(kept).signed_by([WITNESS.verifier])
    assert countersigner.submit(str(Submission(old_size=0, path=(), checkpoint=kept)).encode())


@pytest.mark.parametrize("text", [None, "", "nonsense", SigningKey.generated("log").text])
def test_a_witness_without_a_key_is_not_built(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "witness-key").write_text(text)
    path = tmp_path / "callgate.yaml"
    vkey = SigningKey.generated("callgate.dev/00").verifier.text
    path.write_text(ACTING.format(origin="callgate.dev/00/0", key=vkey))

    with pytest.raises(PartError, match=r"listeners\.control\.witness"):
        build_countersigner(load_config(path, {}), FakeClock())


def test_most_gateways_are_no_witness(tmp_path: Path) -> None:
    path = tmp_path / "callgate.yaml"
    path.write_text("identity: {anonymous: true}\n")
    config = load_config(path, {})

    assert build_countersigner(config, FakeClock()) is None
    assert build_witnessing(config, FakeClock()).status == ()
