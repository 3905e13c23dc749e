"""Receipts for single entries, as COSE has them (RFC 9942): the root, signed, and the way to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import cbor2

from callgate.audit.keys import SigningKey, VerifierKey
from callgate.audit.merkle import HASH_BYTES, ProofError, leaf_hash, root_by_inclusion
from callgate.model import Json, Value

SIGN1_TAG = 18
ALG, CRIT, KID, CLAIMS, VDS, VDP = 1, 2, 4, 15, 395, 396  # labels of headers
EDDSA = -8
RFC9162_SHA256 = 1  # the kind of tree
INCLUSION = -1  # the kind of proof
ISS, SUB, IAT = 1, 2, 6  # claims (RFC 8392): the store, the entry's place, when it was signed
MAX_RECEIPT_BYTES = 64 * 1024
MAX_PROOFS = 16
_UNDERSTOOD = frozenset({ALG, CRIT, KID, CLAIMS, VDS})


class ReceiptError(ValueError):
    """This is no receipt, or none for this entry; the message says why."""


class Receipt(Value):
    """What a receipt proves: that the entry is in the tree with this root, which the key signed."""

    key: VerifierKey
    root: bytes
    # As the proof has them, and not signed: the same way leads to this root from some other places
    # in trees of other sizes.
    size: int
    index: int
    claims: dict[Any, Json]  # as signed; said by the store, not proved

    @property
    def place(self) -> str | None:
        """Where the entry stands, as the store said and signed it; None where it did not."""
        said = self.claims.get(SUB)
        return said if isinstance(said, str) else None


class Leaf(Value):
    """An entry's place in a tree."""

    place: str  # for people: which store, log and entry
    size: int  # of the tree
    index: int
    path: tuple[bytes, ...]  # audit.tiles: Tree.inclusion
    root: bytes


def make_receipt(key: SigningKey, leaf: Leaf, at: int) -> bytes:
    """The receipt for an entry, signed at `at`, in seconds since the epoch."""
    protected = cbor2.dumps(
        {
            ALG: EDDSA,
            KID: key.verifier.text.encode(),
            CLAIMS: {ISS: key.verifier.name, SUB: leaf.place, IAT: at},
            VDS: RFC9162_SHA256,
        }
    )
    proof = cbor2.dumps([leaf.size, leaf.index, list(leaf.path)])
    signature = key.sign(_to_sign(protected, leaf.root))
    parts = [protected, {VDP: {INCLUSION: [proof]}}, None, signature]
    return cbor2.dumps(cbor2.CBORTag(SIGN1_TAG, parts))


def check_receipt(receipt: bytes, entry: bytes, keys: Iterable[VerifierKey]) -> Receipt:
    """What the receipt proves of an entry, which is a record's body. Raises ReceiptError."""
    raw_protected, unprotected, signature = _parts(receipt)
    protected = _protected(raw_protected)
    problem = "there is no inclusion proof in it for this entry"
    known = tuple(keys)
    for size, index, path in _proofs(unprotected):
        try:
            root = root_by_inclusion(leaf_hash(entry), index, size, path)
        except ProofError as error:
            problem = str(error)
            continue
        message = _to_sign(raw_protected, root)
        for key in known:
            if key.verifies(message, signature):
                claims = protected.get(CLAIMS)
                said = dict(claims) if isinstance(claims, dict) else {}
                return Receipt(key=key, size=size, index=index, root=root, claims=said)
        problem = "it is not signed by a key that is known, or it is the receipt of another entry"
    raise ReceiptError(problem)


def _to_sign(protected: bytes, root: bytes) -> bytes:
    return cbor2.dumps(["Signature1", protected, b"", root])


def _parts(receipt: bytes) -> tuple[bytes, dict[Any, Any], bytes]:
    if len(receipt) > MAX_RECEIPT_BYTES:
        raise ReceiptError(f"a receipt has at most {MAX_RECEIPT_BYTES} bytes")
    message = _read(receipt, "the receipt")
    if not isinstance(message, cbor2.CBORTag) or message.tag != SIGN1_TAG:
        raise ReceiptError("this is no COSE_Sign1 message")
    match message.value:
        case [bytes() as protected, dict() as unprotected, None, bytes() as signature]:
            return protected, unprotected, signature
        case [bytes(), dict(), bytes(), bytes()]:
            raise ReceiptError("it brings its own payload, which nothing ties to the entry")
    raise ReceiptError("this is no COSE_Sign1 message")


def _protected(raw: bytes) -> dict[Any, Any]:
    protected = _read(raw, "its protected header")
    if not isinstance(protected, dict):
        raise ReceiptError("its protected header is no map")
    if not (_is(protected.get(ALG), EDDSA) and _is(protected.get(VDS), RFC9162_SHA256)):
        raise ReceiptError("it is no receipt by Ed25519 of an RFC 9162 tree with SHA-256")
    crit = protected.get(CRIT, [ALG])
    if not isinstance(crit, list) or not crit or any(one not in _UNDERSTOOD for one in crit):
        raise ReceiptError("it has a critical header that is not known here")
    return protected


def _proofs(unprotected: dict[Any, Any]) -> list[tuple[int, int, list[bytes]]]:
    proofs = unprotected.get(VDP)
    found = proofs.get(INCLUSION) if isinstance(proofs, dict) else None
    if not isinstance(found, list) or not 0 < len(found) <= MAX_PROOFS:
        raise ReceiptError("there is no inclusion proof in it")
    return [_proof(one) for one in found]


def _proof(raw: Any) -> tuple[int, int, list[bytes]]:
    match _read(raw, "its inclusion proof") if isinstance(raw, bytes) else None:
        case [int() as size, int() as index, list() as path] if not (
            isinstance(size, bool) or isinstance(index, bool)
        ):
            if len(path) <= MAX_RECEIPT_BYTES // HASH_BYTES and all(
                isinstance(step, bytes) and len(step) == HASH_BYTES for step in path
            ):
                return size, index, path
    raise ReceiptError("its inclusion proof is none")


def _read(raw: bytes, what: str) -> Any:
    """CBOR that says one thing in one way: no trailing bytes, no key twice, shortest forms."""
    try:
        value = cbor2.loads(raw)
        again = cbor2.dumps(value)
        plain = _plain(value)
    except Exception as error:  # noqa: BLE001 - whatever the decoder raises of foreign bytes
        raise ReceiptError(f"{what} is no CBOR: {type(error).__name__}") from None
    # Maps may come in any order: what is compared is the length.
    if len(again) != len(raw):
        raise ReceiptError(f"{what} is not CBOR in its shortest form")
    return plain


def _plain(value: Any) -> Any:
    """Arrays and maps as lists and dicts: within tags the decoder makes them immutable."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, cbor2.CBORTag):
        return cbor2.CBORTag(value.tag, _plain(value.value))
    return value


def _is(value: Any, expected: int) -> bool:
    return type(value) is int and value == expected
