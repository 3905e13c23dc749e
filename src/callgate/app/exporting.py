"""Config → what sends the record on, continuously."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.app.parts import PartError
from callgate.config import Config
from callgate.config.exports import ExportSettings, OtlpSettings, WebhookSettings
from callgate.exports import lake
from callgate.exports.batches import MAX_BATCH_BYTES, Wanted
from callgate.exports.bucket import BucketDestination
from callgate.exports.export import Destination, DestinationError
from callgate.exports.exporting import Exporting, Plan
from callgate.exports.files import FileDestination
from callgate.exports.lake import LakeDestination
from callgate.exports.otlp import OtlpDestination
from callgate.exports.posting import Poster
from callgate.exports.webhook import WebhookDestination
from callgate.ports import Clock, StoreError
from callgate.protocol.standard_webhooks import read_key
from callgate.storage.blobs.opening import reader_of
from callgate.storage.blobs.s3_requests import Bucket
from callgate.storage.export_cursors import StoredCursors
from callgate.storage.reading import Records

BUCKET_RECORDS = 5000  # in one object
BUCKET_BYTES = 8 << 20


def build_exports(config: Config, origin: str, clock: Clock) -> list[Exporting]:
    """All that are configured; none of them has begun. `origin` is the record's. PartError."""
    source = Records(config.store, reader_of(config.store))
    cursors = StoredCursors(config.store, clock)
    return [
        Exporting(_plan(said, destination, origin), source, cursors, destination)
        for said, destination in _destinations(config, origin, clock)
    ]


def _destinations(
    config: Config, origin: str, clock: Clock
) -> Sequence[tuple[ExportSettings, Destination]]:
    made: list[tuple[ExportSettings, Destination]] = []
    for said in config.exports:
        try:
            made.append((said, _destination(config, said, origin, clock)))
        except (DestinationError, StoreError) as error:
            raise PartError(f"exports: {said.name}: {error}") from None
    return made


def _plan(said: ExportSettings, destination: Destination, origin: str) -> Plan:
    most_bytes = {"parquet": lake.MOST_BYTES, "s3": BUCKET_BYTES}.get(said.kind, MAX_BATCH_BYTES)
    wanted = Wanted(form=said.format, origin=origin, most=destination.most, most_bytes=most_bytes)
    return Plan(
        name=said.name,
        wanted=wanted,
        every_seconds=said.pause_seconds,
        begins_now=said.begin == "now",
    )


def _destination(config: Config, said: ExportSettings, origin: str, clock: Clock) -> Destination:
    seconds = said.timeout_seconds
    if said.file is not None:
        return FileDestination(said.file.directory, said.name, said.file.max_bytes)
    if said.webhook is not None:
        secret = said.webhook.secret
        key = None if secret is None else read_key(secret.get_secret_value())
        return WebhookDestination(said.format, _poster(said.webhook, seconds), key, clock)
    if said.otlp is not None:
        resource = {"service.name": config.telemetry.service_name}
        poster = _poster(said.otlp, seconds)
        return OtlpDestination(poster, origin, resource, with_contents=said.otlp.contents)
    if said.parquet is not None:
        return LakeDestination(said.parquet.directory, said.parquet.rows)
    assert said.s3 is not None  # noqa: S101 - the settings see to it
    return BucketDestination(said.name, _Objects(Bucket(said.s3, seconds)), BUCKET_RECORDS)


def _poster(said: WebhookSettings | OtlpSettings, seconds: float) -> Poster:
    headers = {name: text.get_secret_value() for name, text in said.headers.items()}
    if isinstance(said, OtlpSettings):
        return Poster(f"{said.endpoint.rstrip('/')}/v1/logs", headers, seconds)
    return Poster(said.url, headers, seconds)


class _Objects:
    """Implements exports.bucket.Objects."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, name: str, body: bytes) -> None:
        answer = self._bucket.ask("PUT", name, body=body)
        if answer.status != 200:
            place = self._bucket.place
            raise StoreError(f"{place}: HTTP {answer.status} {answer.code}".rstrip())
