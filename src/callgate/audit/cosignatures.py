"""What a witness says of a checkpoint: that it saw it, and when (C2SP tlog-cosignature v1)."""

from __future__ import annotations

from callgate.audit.keys import COSIGNATURE, SIGNATURE_BYTES, SigningKey, VerifierKey

TIME_BYTES = 8
MAX_TIME = (1 << 63) - 1


def cosign(key: SigningKey, text: str, at: int) -> bytes:
    """A cosignature over the text of a checkpoint: time and Ed25519 signature.

    `at` are whole seconds since the epoch.
    """
    if key.verifier.algorithm != COSIGNATURE:
        raise ValueError(f"{key.verifier.name} is not the key of a witness")
    return at.to_bytes(TIME_BYTES, "big") + key.sign(_message(text, at))


def cosigned_at(key: VerifierKey, text: str, cosignature: bytes) -> int | None:
    """When the witness with this key says to have seen the checkpoint; None: it does not say so."""
    if len(cosignature) != TIME_BYTES + SIGNATURE_BYTES:
        return None
    at = int.from_bytes(cosignature[:TIME_BYTES], "big")
    if at > MAX_TIME or not key.verifies(_message(text, at), cosignature[TIME_BYTES:]):
        return None
    return at


def _message(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()
