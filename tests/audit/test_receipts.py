"""Receipts, also in both directions with another implementation."""

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given
from hypothesis import strategies as st
from scitt_cose import receipt as other  # type: ignore[import-untyped]  # it has no types

from callgate.audit.keys import SigningKey, VerifierKey
from callgate.audit.merkle import leaf_hash
from callgate.audit.receipts import Leaf, ReceiptError, check_receipt, make_receipt
from callgate.audit.tiles import Tree
from fakes.hashes import FakeHashes

ORIGIN = "callgate.dev/00112233445566aa"
SEED = bytes(range(32))
KEY = SigningKey(ORIGIN, SEED)
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ENTRIES = [b'{"kind":"outcome","call":"c%d"}' % number for number in range(300)]


def receipt_for(index: int, size: int) -> bytes:
    tree = Tree(FakeHashes([leaf_hash(entry) for entry in ENTRIES[:size]]), size)
    leaf = Leaf(
        place=f"{ORIGIN}/1/{index}",
        size=size,
        index=index,
        path=tuple(tree.inclusion(index)),
        root=tree.root(),
    )
    return make_receipt(KEY, leaf, 1_700_000_000)


@pytest.mark.parametrize(
    ("index", "size"), [(0, 1), (0, 2), (1, 2), (4, 7), (255, 256), (270, 300)]
)
def test_a_receipt_proves_its_entry(index: int, size: int) -> None:
    found = check_receipt(receipt_for(index, size), ENTRIES[index], [KEY.verifier])

    assert (found.key, found.size, found.index) == (KEY.verifier, size, index)
    assert found.root == Tree(FakeHashes([leaf_hash(e) for e in ENTRIES[:size]]), size).root()
    assert found.claims == {1: ORIGIN, 2: f"{ORIGIN}/1/{index}", 6: 1_700_000_000}


@pytest.mark.parametrize(("index", "size"), [(0, 1), (3, 7), (200, 300)])
def test_another_implementation_takes_our_receipts(index: int, size: int) -> None:
    found = other.verify_receipt(
        receipt_for(index, size),
        leaf_entry_hex=ENTRIES[index].hex(),
        log_public_key_pem=PUBLIC_PEM,
    )

    assert (found.ok, found.errors) == (True, [])
    assert (found.tree_size, found.leaf_index) == (size, index)
    assert (found.issuer, found.iat) == (ORIGIN, 1_700_000_000)
    assert VerifierKey.parse(found.protected_header_ext[4].decode()) == KEY.verifier


@pytest.mark.parametrize(("index", "size"), [(0, 1), (3, 7), (200, 300)])
def test_we_take_receipts_of_another_implementation(index: int, size: int) -> None:
    theirs = other.build_receipt(
        leaf_entry_hex=ENTRIES[index].hex(),
        leaf_index=index,
        tree_entries_hex=[entry.hex() for entry in ENTRIES[:size]],
        alg="EdDSA",
        log_private_key_pem=PRIVATE_PEM,
        iss="them",
    )

    found = check_receipt(theirs, ENTRIES[index], [KEY.verifier])
    assert (found.size, found.index, found.claims) == (size, index, {1: "them"})
    assert found.place is None


def test_a_receipt_is_for_one_entry_and_of_one_key() -> None:
    receipt = receipt_for(4, 7)

    with pytest.raises(ReceiptError, match="another entry"):
        check_receipt(receipt, ENTRIES[5], [KEY.verifier])
    with pytest.raises(ReceiptError, match="key that is known"):
        check_receipt(receipt, ENTRIES[4], [SigningKey.generated(ORIGIN).verifier])
    with pytest.raises(ReceiptError):
        check_receipt(receipt, ENTRIES[4], [])


SIZE_AT = receipt_for(4, 7).index(b"\x83\x07\x04") + 1


@example(SIZE_AT, 7 ^ 8)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_receipt_can_be_another_but_what_is_not_signed(place: int, bits: int) -> None:
    receipt = bytearray(receipt_for(4, 7))
    receipt[place % len(receipt)] ^= bits

    try:
        found = check_receipt(bytes(receipt), ENTRIES[4], [KEY.verifier])
    except ReceiptError:
        return
    assert (found.size, found.index) != (7, 4)
    signed = check_receipt(receipt_for(4, 7), ENTRIES[4], [KEY.verifier])
    assert (found.key, found.root, found.claims) == (signed.key, signed.root, signed.claims)
    assert found.place == f"{ORIGIN}/1/4"


def test_a_place_is_what_was_signed_whatever_the_proof_says() -> None:
    receipt = receipt_for(168, 169)
    same_way = remade_of(receipt, 113, 112)

    found = check_receipt(same_way, ENTRIES[168], [KEY.verifier])
    assert (found.index, found.place) == (112, f"{ORIGIN}/1/168")


def remade_of(receipt: bytes, size: int, index: int) -> bytes:
    parts = list(cbor2.loads(receipt).value)
    _, _, path = cbor2.loads(parts[1][396][-1][0])
    parts[1] = {396: {-1: [cbor2.dumps([size, index, path])]}}
    return cbor2.dumps(cbor2.CBORTag(18, parts))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(ReceiptError):
        check_receipt(raw, ENTRIES[4], [KEY.verifier])


def remade(change: Callable[[list[Any]], object], *, resigned: bool = False) -> bytes:
    parts = list(cbor2.loads(receipt_for(4, 7)).value)
    change(parts)
    if resigned:
        root = Tree(FakeHashes([leaf_hash(entry) for entry in ENTRIES[:7]]), 7).root()
        parts[3] = KEY.sign(cbor2.dumps(["Signature1", parts[0], b"", root]))
    return cbor2.dumps(cbor2.CBORTag(18, parts))


def protected(**labels: Any) -> Callable[[list[Any]], object]:
    def change(parts: list[Any]) -> None:
        said = {1: -8, 395: 1} | {int(label[1:]): value for label, value in labels.items()}
        parts[0] = cbor2.dumps({label: value for label, value in said.items() if value is not ...})

    return change


def proofs(*values: Any) -> Callable[[list[Any]], object]:
    return lambda parts: parts.__setitem__(1, {396: {-1: list(values)}})


PATH = [bytes(32)] * 3
HOSTILE: dict[str, bytes] = {
    "an attached payload": remade(lambda parts: parts.__setitem__(2, bytes(32))),
    "another algorithm": remade(protected(_1=-7), resigned=True),
    "an algorithm that is a truth": remade(protected(_395=True), resigned=True),
    "no kind of tree": remade(protected(_395=...), resigned=True),
    "another kind of tree": remade(protected(_395=2), resigned=True),
    "an unknown critical header": remade(protected(_2=[1, 99]), resigned=True),
    "an empty list of critical headers": remade(protected(_2=[]), resigned=True),
    "a protected header that is no map": remade(lambda parts: parts.__setitem__(0, b"\x80")),
    "no proofs": remade(lambda parts: parts.__setitem__(1, {})),
    "an empty list of proofs": remade(proofs()),
    "a number for a proof": remade(proofs(1 << 40)),
    "too many proofs": remade(proofs(*[cbor2.dumps([7, 4, PATH])] * 17)),
    "a proof without a path": remade(proofs(cbor2.dumps([7, 4]))),
    "a proof with short hashes": remade(proofs(cbor2.dumps([7, 4, [b"x"]]))),
    "a proof of a truth": remade(proofs(cbor2.dumps([True, False, []]))),
    "a proof of a huge tree": remade(proofs(cbor2.dumps([1 << 200, 4, PATH]))),
    "a proof of a negative place": remade(proofs(cbor2.dumps([7, -1, PATH]))),
    "a long path": remade(proofs(cbor2.dumps([7, 4, [bytes(32)] * 1500]))),
    "bytes behind it": receipt_for(4, 7) + b"\x00",
    "no tag": cbor2.dumps(cbor2.loads(receipt_for(4, 7)).value),
    "another tag": cbor2.dumps(cbor2.CBORTag(98, [b"", {}, None, b""])),
    "too large": bytes(1 << 20),
    "nested deep": b"\x81" * 60_000,
    **{f"nested {n} deep": b"\xd2" + b"\x81" * n + b"\x00" for n in (300, 600, 900, 990, 2000)},
    "a huge length": b"\xd2\x84\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    "indefinite length": b"\xd2\x9f" + receipt_for(4, 7)[2:] + b"\xff",
}


@pytest.mark.parametrize("receipt", HOSTILE.values(), ids=HOSTILE)
def test_hostile_receipts_are_refused(receipt: bytes) -> None:
    with pytest.raises(ReceiptError):
        check_receipt(receipt, ENTRIES[4], [KEY.verifier])


def test_a_key_that_stands_twice_in_a_header_is_refused() -> None:
    twice = b"\xa3\x01\x27\x01\x27\x19\x01\x8b\x01"
    assert cbor2.loads(twice) == {1: -8, 395: 1}

    with pytest.raises(ReceiptError, match="shortest form"):
        receipt = remade(lambda parts: parts.__setitem__(0, twice), resigned=True)
        check_receipt(receipt, ENTRIES[4], [KEY.verifier])


def test_one_proof_that_holds_among_others_is_enough() -> None:
    mine = cbor2.loads(receipt_for(4, 7)).value[1][396][-1][0]
    receipt = remade(proofs(cbor2.dumps([7, 3, PATH]), mine))

    assert check_receipt(receipt, ENTRIES[4], [KEY.verifier]).index == 4
