"""Keys that sign the record, in the text forms of C2SP signed notes: `name+id+key`, Ed25519."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from callgate.audit.spelling import strict_base64
from callgate.model import Value

NOTE = 0x01  # signs the text of a note
COSIGNATURE = 0x04  # signs a checkpoint with the time at which a witness saw it (tlog-cosignature)
ALGORITHMS = (NOTE, COSIGNATURE)
KEY_BYTES = 32
ID_BYTES = 4
SIGNATURE_BYTES = 64
MAX_KEY_CHARACTERS = 1024
_PRIVATE = "PRIVATE+KEY+"


class NotAKeyError(ValueError):
    """What was given is no key; the message says why, without showing it."""


class VerifierKey(Value):
    """The public half: who signs, and what its signatures are held against."""

    name: str
    public: bytes
    algorithm: int = NOTE

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """A vkey: `name+id+base64`. Raises NotAKeyError."""
        name, algorithm, public = _parsed(text.strip())
        made = cls(name=name, algorithm=algorithm, public=public)
        if made.text != text.strip():
            raise NotAKeyError("the id in the key does not fit it; it was copied wrongly or edited")
        return made

    @property
    def id(self) -> bytes:
        """With the name it says which key a signature is of."""
        return _id(self)

    @property
    def text(self) -> str:
        """The vkey."""
        material = base64.b64encode(bytes((self.algorithm,)) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{material}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made the signature (RFC 8032)."""
        try:
            _loaded(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private half. Not a value: it must not be shown, compared or written by accident."""

    def __init__(self, name: str, private: bytes, algorithm: int = NOTE) -> None:
        if not is_name(name):
            raise NotAKeyError(f"{name!r} is no name of a key: it is empty, or has spaces or `+`")
        if algorithm not in ALGORITHMS or len(private) != KEY_BYTES:
            raise NotAKeyError("this is no Ed25519 key of a log or a witness")
        self._private = private
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        public = self._key.public_key().public_bytes_raw()
        self.verifier = VerifierKey(name=name, public=public, algorithm=algorithm)

    @classmethod
    def generated(cls, name: str, algorithm: int = NOTE) -> SigningKey:
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw(), algorithm)

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """`PRIVATE+KEY+name+id+base64`, as other tools for signed notes keep it. NotAKeyError."""
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise NotAKeyError(f"a signing key begins with {_PRIVATE}")
        name, algorithm, private = _parsed(text.removeprefix(_PRIVATE))
        made = cls(name, private, algorithm)
        if made.text != text:
            raise NotAKeyError("the id in the key does not fit it; it was copied wrongly or edited")
        return made

    @property
    def text(self) -> str:
        """The private key as it is kept in a file."""
        material = base64.b64encode(bytes((self.verifier.algorithm,)) + self._private).decode()
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.id.hex()}+{material}"

    def sign(self, message: bytes) -> bytes:
        """The signature (RFC 8032)."""
        return self._key.sign(message)


def is_name(name: str) -> bool:
    """Whether a key may have this name."""
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)


def key_lines(text: str) -> list[str]:
    """The keys of a file of such, one a line; `#` is for remarks. None of them is read yet."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _parsed(text: str) -> tuple[str, int, bytes]:
    parts = text[: MAX_KEY_CHARACTERS + 1].split("+", 2)
    if len(text) > MAX_KEY_CHARACTERS or len(parts) != 3 or not is_name(parts[0]):
        raise NotAKeyError("a key has the form name+id+base64")
    try:
        material = strict_base64(parts[2])
    except ValueError as error:
        raise NotAKeyError(f"the third part of the key: {error}") from None
    if len(material) != KEY_BYTES + 1 or material[0] not in ALGORITHMS:
        raise NotAKeyError("this is no Ed25519 key of a log (type 1) or a witness (type 4)")
    return parts[0], material[0], material[1:]


@lru_cache(256)
def _id(key: VerifierKey) -> bytes:
    said = key.name.encode() + b"\n" + bytes((key.algorithm,)) + key.public
    return hashlib.sha256(said).digest()[:ID_BYTES]


@lru_cache(256)
def _loaded(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)
