import hashlib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from scitt_cose import receipt as other  # type: ignore[import-untyped]  # it has no types

from callgate.audit.keys import VerifierKey
from callgate.audit.proofs import Proof
from callgate.cli.audit import audit
from fakes.filled import fill
from fakes.small_entries import an_intent
from fakes.tampering import calls

CALL = f"c{150:028}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(
        tmp_path_factory.mktemp("record") / "r.db",
        [*calls(0, 200), an_intent("cf" + "0" * 27, payload=True)],
    ).path


@pytest.fixture(scope="module")
def vkey(store: Path) -> str:
    return run("key", "--store", store).stdout.strip()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(audit, [str(argument) for argument in arguments])


@pytest.mark.parametrize("kind", ["intent", "outcome"])
def test_a_receipt_is_checked_with_its_entry_and_a_key(
    store: Path, vkey: str, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "r.cose"
    made = run("receipt", CALL, "--store", store, "--entry", kind, "--out", out)
    assert made.exit_code == 0, made.output
    entry = tmp_path / "r.cose.json"
    assert msgspec.json.decode(entry.read_bytes())["kind"] == kind

    checked = run("check-receipt", out, "--key", vkey)
    place = made.stdout.partition(f"the {kind} of ")[2].partition(".\n")[0]
    assert (checked.exit_code, f"says that it is {place}." in checked.stdout) == (0, True)

    entry.write_bytes(entry.read_bytes().replace(b"shop", b"bank"))
    checked = run("check-receipt", out, "--key", vkey)
    assert (checked.exit_code, "not proved" in checked.stderr) == (1, True)


def test_a_proof_is_checked_as_a_receipt_is(store: Path, vkey: str, tmp_path: Path) -> None:
    text = run("proof", CALL, "--store", store).stdout
    run("receipt", CALL, "--store", store, "--out", tmp_path / "r.cose")
    (tmp_path / "p").write_text(text)
    entry = tmp_path / "r.cose.json"

    assert Proof.parse(text).checkpoint.endswith("\n")
    checked = run("check-receipt", tmp_path / "p", "--entry", entry, "--key", vkey)
    assert checked.exit_code == 0

    (tmp_path / "p").write_text(text.replace("index ", "index 1"))
    checked = run("check-receipt", tmp_path / "p", "--entry", entry, "--key", vkey)
    assert checked.exit_code == 1
    (tmp_path / "p").write_bytes(text.encode() + b"\xff")
    checked = run("check-receipt", tmp_path / "p", "--entry", entry, "--key", vkey)
    assert checked.exit_code == 1


def test_a_payload_is_held_against_the_digest_in_the_entry(
    store: Path, vkey: str, tmp_path: Path
) -> None:
    run("receipt", CALL, "--store", store, "--entry", "intent", "--out", tmp_path / "r")
    payload = b'{"arguments":{"of":"%s"}}' % CALL.encode()
    said = msgspec.json.decode((tmp_path / "r.json").read_bytes())["payload"]
    assert said["sha256"] == hashlib.sha256(payload).hexdigest()
    (tmp_path / "payload").write_bytes(payload)
    options = ("check-receipt", tmp_path / "r", "--key", vkey, "--payload", tmp_path / "payload")

    assert run(*options).exit_code == 0
    (tmp_path / "payload").write_bytes(payload + b" ")
    assert run(*options).exit_code == 1


def test_a_call_without_an_outcome_is_proved_by_its_intent(store: Path, tmp_path: Path) -> None:
    # A recovery has not ended it yet: the gateway stopped in good order, and nothing has begun.
    found = run("receipt", "cf", "--store", store, "--out", tmp_path / "r")

    assert (found.exit_code, "receipt for the intent" in found.stdout) == (0, True)


def test_what_is_not_there_is_not_proved(store: Path, tmp_path: Path) -> None:
    assert run("proof", "zzz", "--store", store).exit_code == 1
    assert run("proof", "c", "--store", store).exit_code == 1  # more than one
    wanted = run("proof", "cf", "--store", store, "--entry", "outcome")
    assert (wanted.exit_code, "has no outcome" in wanted.stderr) == (1, True)
    (tmp_path / "r").write_bytes(b"")
    missing = run("check-receipt", tmp_path / "r", "--key", "/nonexistent")
    assert missing.exit_code == 2


def test_another_implementation_takes_the_file(store: Path, vkey: str, tmp_path: Path) -> None:
    run("receipt", CALL, "--store", store, "--out", tmp_path / "r")
    public = Ed25519PublicKey.from_public_bytes(VerifierKey.parse(vkey).public)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    found = other.verify_receipt(
        (tmp_path / "r").read_bytes(),
        leaf_entry_hex=(tmp_path / "r.json").read_bytes().hex(),
        log_public_key_pem=pem,
    )
    assert (found.ok, found.errors) == (True, [])
