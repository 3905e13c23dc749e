"""Config → who is shown how far the record has come, and what this gateway signs for others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from callgate.app.parts import PartError
from callgate.audit.keys import NotAKeyError, SigningKey, VerifierKey, key_lines
from callgate.audit.notes import Signature
from callgate.audit.place import LOG_OF_LOGS
from callgate.audit.tiles import TileError, Tree
from callgate.config import Config
from callgate.config.witnesses import S3WitnessSettings, WitnessSettings
from callgate.control.countersigning import Countersigner
from callgate.control.seen_checkpoints import SeenCheckpoints
from callgate.control.witness_settings import ActingSettings
from callgate.ports import Clock, StoreError
from callgate.storage.blobs.s3_requests import Bucket
from callgate.storage.cosigning import add_cosignatures
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from callgate.witnesses.file import FileWitness
from callgate.witnesses.s3 import Lock, S3Witness
from callgate.witnesses.tlog import TlogWitness
from callgate.witnesses.webhook import WebhookWitness
from callgate.witnesses.witness import Witness
from callgate.witnesses.witnessing import Witnessing

MAX_KEY_BYTES = 64 << 10


class StoredLogOfLogs:
    """Implements LogOfLogs. Safe to share: each question opens the record anew."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings

    def newest(self) -> str | None:
        """The note, as it is kept."""
        reader = open_log(self._settings)
        try:
            return next((str(kept.note) for kept in reader.checkpoints(LOG_OF_LOGS, 1)), None)
        finally:
            reader.close()

    def proof(self, size: int, newer: int) -> Sequence[bytes]:
        """Of tiles, within milliseconds."""
        reader = open_log(self._settings)
        try:
            return Tree(reader.hashes(LOG_OF_LOGS), newer).consistency(size)
        except (TileError, ValueError) as error:
            raise StoreError(f"the log of logs cannot be proved: {error}") from None
        finally:
            reader.close()

    def add(self, size: int, signatures: Sequence[Signature]) -> None:
        """In one transaction."""
        add_cosignatures(self._settings, LOG_OF_LOGS, size, signatures)


def build_witnessing(config: Config, clock: Clock) -> Witnessing:
    """What shows checkpoints to the witnesses; idle where there are none. Raises PartError."""
    said = config.witnesses
    witnesses = [_witness(one, clock) for one in said.show_to]
    log = StoredLogOfLogs(config.store)
    return Witnessing(log, witnesses, every_seconds=said.every_seconds)


def build_countersigner(config: Config, clock: Clock) -> Countersigner | None:
    """What cosigns the records of others; None where it is not wanted. Raises PartError."""
    said = config.listeners.control.witness
    if said is None:
        return None
    logs = {log.origin: [VerifierKey.parse(key) for key in log.keys] for log in said.logs}
    try:
        key = SigningKey.parse(_key_text(said))
        return Countersigner(key, logs, SeenCheckpoints(said.state), clock)
    except (NotAKeyError, StoreError, OSError, UnicodeError) as error:
        raise PartError(f"listeners.control.witness: {error}") from None


def _witness(said: WitnessSettings, clock: Clock) -> Witness:
    key = None if said.key is None else VerifierKey.parse(said.key)
    seconds = said.timeout_seconds
    if said.file is not None:
        return FileWitness(said.name, said.file, seconds)
    if said.webhook is not None:
        headers = {name: text.get_secret_value() for name, text in said.webhook.headers.items()}
        return WebhookWitness(said.name, said.webhook.url, headers, key, seconds)
    if said.s3 is not None:
        return _bucket(said, said.s3, clock)
    assert said.tlog is not None and key is not None  # noqa: S101 - the settings see to it
    return TlogWitness(said.name, said.tlog, key, seconds)


def _bucket(said: WitnessSettings, s3: S3WitnessSettings, clock: Clock) -> S3Witness:
    lock = None if s3.lock is None else Lock(s3.lock.mode, s3.lock.days)
    try:
        bucket = Bucket(s3, said.timeout_seconds)
    except StoreError as error:
        raise PartError(f"witnesses: {said.name}: {error}") from None
    return S3Witness(said.name, bucket, lock, clock)


def _key_text(said: ActingSettings) -> str:
    if said.key is not None:
        return said.key.get_secret_value()
    assert said.key_file is not None  # noqa: S101 - the settings see to it
    return _first_line(said.key_file)


def _first_line(file: Path) -> str:
    """The key in a file, which may have remarks."""
    with file.open("rb") as opened:
        lines = key_lines(opened.read(MAX_KEY_BYTES).decode())
    return next(iter(lines), "")
