"""Signatures of Standard Webhooks (https://www.standardwebhooks.com): keys, and what they sign."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64


def read_key(text: str) -> bytes:
    """The bytes that a secret stands for. Raises ValueError, which does not repeat it."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise ValueError(
            f"must be `{PREFIX}` and {MIN_BYTES} to {MAX_BYTES} bytes in base64: "
            f"echo {PREFIX}$(openssl rand -base64 32)"
        )
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature: `v1,` and HMAC-SHA256 of `<id>.<timestamp>.<body>` in base64."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
