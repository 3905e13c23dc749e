"""The keys an issuer signs with: which key fits which algorithm, and whether a signature holds."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import jwt
from jwt.exceptions import InvalidKeyError, InvalidSignatureError, PyJWTError
from jwt.utils import base64url_encode

from callgate.model import Json, Value
from callgate.protocol.jsonrpc import Malformed, parse_json

FITTING: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Asymmetric algorithm → the only key type and curve that it is used with."""
SECRET_BYTES: Mapping[str, int] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Symmetric algorithm → the shortest secret that it is used with (RFC 7518 §3.2)."""
MAX_KEYS = 64  # a token without a key id is tried against all that fit

_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")
_jws = jwt.PyJWS(algorithms=[*FITTING, *SECRET_BYTES], options={"enforce_minimum_key_length": True})


class IssuerError(Exception):
    """A fault of the issuer, or of the file that stands for it: its keys cannot be learnt."""


class Keys(Value):
    """Keys by (key id, algorithm); all keys of an algorithm are under the key id None."""

    by_use: dict[tuple[str | None, str], tuple[jwt.PyJWK, ...]]
    digest: bytes  # of the document they came from

    def find(self, key_id: str | None, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """The keys that may have signed a token with this header."""
        return self.by_use.get((key_id, algorithm), ())


def read_keys(document: bytes, algorithms: Iterable[str]) -> Keys:
    """The usable keys of a JWK Set (RFC 7517 §5), for the allowed asymmetric algorithms only.

    A key that is for something else, or too weak, is left out. No key at all is an answer too:
    the issuer withdrew them. Raises IssuerError where the document is no JWK Set.
    """
    entries = read_document(document).get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise IssuerError(f"not a JWK Set of at most {MAX_KEYS} keys")
    by_use: dict[tuple[str | None, str], tuple[jwt.PyJWK, ...]] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        key_id = entry.get("kid")
        for algorithm in algorithms:
            key = _key(entry, algorithm)
            if key is not None:
                uses = {(None, algorithm), (key_id if isinstance(key_id, str) else None, algorithm)}
                for use in uses:
                    by_use[use] = (*by_use.get(use, ()), key)
    return Keys(by_use=by_use, digest=hashlib.sha256(document).digest())


def read_key_file(path: Path, algorithms: Collection[str]) -> Keys:
    """The keys of a JWK Set on disk. Raises IssuerError, also where no key is usable."""
    try:
        keys = read_keys(path.read_bytes(), algorithms)
    except OSError as error:
        raise IssuerError(f"{path} cannot be read ({error.strerror})") from None
    except IssuerError as error:
        raise IssuerError(f"{path} is {error}") from None
    if not keys.by_use:
        raise IssuerError(f"{path} holds no usable key for {', '.join(algorithms)}")
    return keys


def secret_keys(secret: str, algorithms: Iterable[str]) -> Keys:
    """One shared secret as the key of symmetric algorithms, whatever key id a token names."""
    entry = {"kty": "oct", "k": base64url_encode(secret.encode()).decode()}
    by_use: dict[tuple[str | None, str], tuple[jwt.PyJWK, ...]] = {
        (None, algorithm): (jwt.PyJWK(entry, algorithm),) for algorithm in algorithms
    }
    return Keys(by_use=by_use, digest=b"")


def read_document(document: bytes) -> dict[str, Json]:
    """A JSON object under strict rules. Raises IssuerError."""
    try:
        value = parse_json(document, max_depth=16)
    except Malformed as error:
        raise IssuerError(f"not the JSON that was expected: {error.reason}") from None
    if not isinstance(value, dict):
        raise IssuerError("not a JSON object")
    return value


def signed_payload(token: str, keys: Iterable[jwt.PyJWK], algorithm: str) -> bytes | None:
    """The payload, where one of the keys made the signature with this algorithm; else None."""
    for key in keys:
        try:
            payload: bytes = _jws.decode_complete(token, key, algorithms=[algorithm])["payload"]
        except (InvalidSignatureError, InvalidKeyError):
            continue
        except PyJWTError:
            return None
        return payload
    return None


def _key(entry: dict[str, Json], algorithm: str) -> jwt.PyJWK | None:
    """The key for this algorithm; None where its type, curve, purpose or strength do not fit."""
    key_type, curve = FITTING[algorithm]
    operations = entry.get("key_ops")
    if (
        entry.get("kty") != key_type
        or (curve is not None and entry.get("crv") != curve)
        or entry.get("alg", algorithm) != algorithm
        or entry.get("use", "sig") != "sig"
        or (isinstance(operations, list) and "verify" not in operations)
    ):
        return None
    try:
        # Private members stay out: a key file that holds them by mistake still only verifies.
        public = {name: entry[name] for name in _PUBLIC_MEMBERS if name in entry}
        key = jwt.PyJWK(public, algorithm)
        return None if key.Algorithm.check_key_length(key.key) else key
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None  # a malformed key is no key
