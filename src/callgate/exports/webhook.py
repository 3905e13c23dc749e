"""Exports to a webhook, signed as Standard Webhooks are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from callgate.exports.cloudevents import BATCH_MEDIA_TYPE
from callgate.exports.export import Batch
from callgate.exports.lines import LineFormat
from callgate.exports.posting import Poster
from callgate.ports import Clock
from callgate.protocol.standard_webhooks import signature

LINES_MEDIA_TYPE = "application/x-ndjson"


class WebhookDestination:
    """One POST for each batch: CloudEvents as a JSON array, everything else as lines.

    https://www.standardwebhooks.com: `webhook-id` is the same when a batch is sent again.
    """

    def __init__(
        self, form: LineFormat, poster: Poster, key: bytes | None, clock: Clock, most: int = 500
    ) -> None:
        self.most = most
        self._is_batch = form == "cloudevents"
        self._poster = poster
        self._key = key
        self._clock = clock

    async def send(self, batch: Batch) -> None:
        """Returns when it was answered with 2xx."""
        lines = batch.lines
        if self._is_batch:
            body = b"[" + b",".join(line.rstrip(b"\n") for line in lines) + b"]"
        else:
            body = b"".join(lines)
        media_type = BATCH_MEDIA_TYPE if self._is_batch else LINES_MEDIA_TYPE
        await self._poster.post(body, {"content-type": media_type, **self._signed(body)})

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()

    def _signed(self, body: bytes) -> Mapping[str, str]:
        name = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        at = int(self._clock.now())
        headers = {"webhook-id": name, "webhook-timestamp": str(at)}
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, name, at, body)
        return headers
