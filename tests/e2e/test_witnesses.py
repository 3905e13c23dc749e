"""One gateway's record is countersigned by another, which finds it out when it was made anew."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from callgate.audit.keys import COSIGNATURE, SigningKey
from fakes.forking import finished
from fakes.running import Running, running

pytestmark = pytest.mark.e2e

ECHO = '''
def echo(text: str) -> str:
    """Say it again."""
    return text
'''
POLICY = "permit(principal, action, resource);"
BASE = """
identity: {anonymous: true}
targets:
  echo: {python: echo}
policies: {files: ["*.cedar"]}
"""
ORIGIN = "records.example/gateway"


def witness_config(log_key: str) -> str:
    return f"""{BASE}
listeners:
  agents: {{port: 0}}
  control:
    port: 0
    witness:
      key_file: witness.key
      logs:
        - origin: {ORIGIN}/0
          keys: ["{log_key}"]
"""


def witnessed_config(url: str, witness_key: str, file: Path) -> str:
    return f"""{BASE}
store:
  origin: {ORIGIN}
  signing_key: "${{file:log.key}}"
  checkpoint_seconds: 0.05
witnesses:
  every_seconds: 1
  show_to:
    - name: neighbour
      tlog: {url}
      key: "{witness_key}"
    - name: vault
      file: {file}
listeners:
  agents: {{port: 0}}
  control: {{port: 0}}
"""


def verify(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return finished("audit", "verify", "--store", "callgate.db", *arguments, cwd=directory)


def test_a_record_made_anew_with_its_own_key_is_found_by_its_witnesses(tmp_path: Path) -> None:
    log_key = SigningKey(ORIGIN, b"l" * 32)
    witness_key = SigningKey("witness.example/w", b"w" * 32, COSIGNATURE)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    (theirs / "witness.key").write_text(witness_key.text)
    (ours / "log.key").write_text(log_key.text)
    vault = tmp_path / "vault.txt"
    files = {"echo__py": ECHO, "p__cedar": POLICY}

    with running(theirs, witness_config(log_key.verifier.text), **files) as witness:
        config = witnessed_config(witness.control, witness_key.verifier.text, vault)
        with running(ours, config, **files) as gateway:
            for number in range(5):
                gateway.call("echo___echo", text=str(number))
            metrics = (
                urllib.request.urlopen(f"{gateway.control}/metrics", timeout=120).read().decode()
            )
            assert 'callgate_witness_behind{witness="neighbour"}' in metrics
            assert gateway.stop() == 0
        # Stopped: what was signed last was shown, too.
        trust = ("--key", log_key.verifier.text)
        seen = (*trust, "--witness", witness_key.verifier.text, "--quorum", "1")
        whole = verify(ours, *seen)
        assert whole.returncode == 0, whole.stdout + whole.stderr
        assert verify(ours, *trust, "--known", str(vault)).returncode == 0

        # Whoever has the key makes another record in the place of this one.
        for file in ours.glob("callgate.db*"):
            file.unlink()
        with running(ours, config, **files) as gateway:
            gateway.call("echo___echo", text="nothing happened")
            gateway.await_log("the witness neighbour: ")
    assert verify(ours, *trust).returncode == 0  # by itself it holds
    unseen = verify(ours, *seen)
    assert unseen.returncode == 1
    assert "cosigned by 1 of the witnesses" in unseen.stderr
    replaced = verify(ours, *trust, "--known", str(vault))
    assert replaced.returncode == 1, replaced.stderr


def test_a_witness_that_is_down_delays_no_call_and_is_caught_up_with(tmp_path: Path) -> None:
    log_key = SigningKey(ORIGIN, b"l" * 32)
    vault = tmp_path / "gone" / "vault.txt"  # its directory is not there
    config = witnessed_config("http://127.0.0.1:9", _a_witness(), vault)
    (tmp_path / "log.key").write_text(log_key.text)
    gateway: Running
    with running(tmp_path, config, echo__py=ECHO, p__cedar=POLICY) as gateway:
        gateway.await_log("the witness vault: ")
        gateway.await_log("the witness neighbour: ")
        status, answer = gateway.call("echo___echo", text="all the same")
        assert (status, "error" in answer) == (200, False)
        vault.parent.mkdir()
        gateway.await_log("the witness vault has seen")
    known = verify(tmp_path, "--key", log_key.verifier.text, "--known", str(vault))
    assert known.returncode == 0, known.stdout + known.stderr
    shutil.rmtree(vault.parent)


def _a_witness() -> str:
    return SigningKey("witness.example/w", b"w" * 32, COSIGNATURE).verifier.text
