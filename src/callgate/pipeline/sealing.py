"""Tokens that callers carry for us and cannot read, change, or use as somebody else."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callgate.model import Json
from callgate.protocol.jsonrpc import encode

KEY_BYTES = 64
MAX_TOKEN_CHARACTERS = 1 << 20

_decode = msgspec.json.Decoder().decode


class Seal:
    """Authenticated encryption (AES-SIV, RFC 5297) under the gateway's own key.

    Deterministic: the same value for the same principal and purpose gives the same token, so that
    a task keeps one id. `purpose` and `principal_key` are bound to the token, not contained in it.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    @staticmethod
    def new_key() -> bytes:
        """A fresh key."""
        return AESSIV.generate_key(KEY_BYTES * 8)

    @classmethod
    def of_text(cls, secret: str) -> Seal:
        """The seal of a shared secret text: the same wherever the text is. HKDF, RFC 5869."""
        derive = HKDF(algorithm=SHA512(), length=KEY_BYTES, salt=None, info=b"callgate seal")
        return cls(derive.derive(secret.encode()))

    def close(self, value: Json, purpose: str, principal_key: str) -> str:
        """The token: URL-safe, without padding."""
        sealed = self._cipher.encrypt(encode(value), [purpose.encode(), principal_key.encode()])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, token: str, purpose: str, principal_key: str) -> Json | None:
        """What was sealed; None for a token that is not ours, of another purpose or principal."""
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            return None
        try:
            sealed = base64.b64decode(
                token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
            return _decode(self._cipher.decrypt(sealed, [purpose.encode(), principal_key.encode()]))
        except (binascii.Error, InvalidTag, ValueError):
            return None


def digest_of(*parts: Json) -> str:
    """A short fingerprint of JSON values, to bind a token to what it was given for."""
    return hashlib.sha256(encode(parts)).hexdigest()[:32]
