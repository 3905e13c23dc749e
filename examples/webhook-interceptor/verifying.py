"""Tells whether a message is your gateway's, as any library for Standard Webhooks does too."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

TOLERANCE_SECONDS = 300


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether `body`, exactly as it arrived, was signed with `secret` in the last minutes."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signatures = (headers.get(name) or "" for name in names)
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    wanted = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = signatures.encode().split(b" ")  # two, while a secret is being replaced
    return any(hmac.compare_digest(one, wanted) for one in given)
