"""`callgate audit proof`, `receipt`, `check-receipt`: that one call is in the record."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

from callgate.app.clock import SystemClock
from callgate.audit.checkpoints import log_origin, open_checkpoint
from callgate.audit.explain import printable
from callgate.audit.keys import VerifierKey
from callgate.audit.log_reader import Kept, LogReader
from callgate.audit.merkle import ProofError, leaf_hash
from callgate.audit.notes import NoteError
from callgate.audit.place import place
from callgate.audit.proofs import FIRST_LINE, Proof
from callgate.audit.receipts import Leaf, ReceiptError, make_receipt
from callgate.audit.receipts import check_receipt as checked
from callgate.audit.tiles import TileError, Tree
from callgate.cli.audit.opening import LOG_KEY, cannot, flat, opened, own_keys
from callgate.cli.explain import only
from callgate.cli.store import open_records, store_options, store_settings
from callgate.model import Value
from callgate.ports import StoreError
from callgate.secret_files import secret_file
from callgate.storage.settings import StoreSettings

FAILED = 1
MAX_FILE_BYTES = 1 << 30

_entry_option = click.option(
    "--entry",
    "kind",
    type=click.Choice(["intent", "outcome"]),
    help="Which of the call's entries.  [default: its outcome, or its intent while it has none]",
)


class Proved(Value):
    """One entry, and what proves it."""

    kind: str
    body: bytes
    leaf: Leaf
    checkpoint: str


@click.command()
@click.argument("call")
@store_options
@_entry_option
def proof(
    call: str, config: Path | None, store: str | None, kind: Literal["intent", "outcome"] | None
) -> None:
    """Print a proof that CALL is in the record, up to a signed checkpoint (C2SP tlog-proof).

    CALL is an id, or an id's beginning. With the entry itself, which `receipt` writes too, and the
    public key, anybody can check it: `callgate audit check-receipt`.
    """
    found = _proved(call, config, store, kind)
    made = Proof(index=found.leaf.index, path=found.leaf.path, checkpoint=found.checkpoint)
    click.echo(str(made), nl=False)


@click.command()
@click.argument("call")
@store_options
@_entry_option
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write the receipt to; the entry goes beside it, with `.json` added.",
)
def receipt(
    call: str,
    config: Path | None,
    store: str | None,
    kind: Literal["intent", "outcome"] | None,
    out: Path,
) -> None:
    """Write a receipt for CALL: a COSE message (RFC 9942) that proves its entry by itself.

    It is signed by the key of the record, which must be at hand.
    """
    found = _proved(call, config, store, kind)
    settings = store_settings(config, store)
    origin = found.leaf.place.rpartition("/")[0].rpartition("/")[0]
    try:
        key = own_keys(settings, origin)[-1]
    except StoreError as error:
        cannot(error)
    made = make_receipt(key, found.leaf, int(SystemClock().now()))
    for path, content in ((out, made), (_beside(out), found.body)):
        try:
            with secret_file(path) as file:
                file.write(content)
        except OSError as error:
            raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"{out}: the receipt for the {found.kind} of {found.leaf.place}.")
    click.echo(f"{_beside(out)}: the entry itself.")


@click.command("check-receipt")
@click.argument("receipt", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--entry",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The entry that it is for.  [default: the receipt's name, with `.json` added]",
)
@click.option(
    "--key", "keys", type=LOG_KEY, multiple=True, required=True, help="A public key, or a file."
)
@click.option(
    "--payload",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Arguments and results, as exported: whether the entry has the digest of this file.",
)
def check_receipt(
    receipt: Path,
    entry: Path | None,
    keys: tuple[tuple[VerifierKey, ...], ...],
    payload: Path | None,
) -> None:
    """Check a receipt or a proof: whether an entry is in a record that the key has signed.

    Exit code 0: it is. 1: that is not proved. 2: a file could not be read.
    """
    body = _read(entry or _beside(receipt))
    raw = _read(receipt)
    try:
        said = _checked(raw, body, flat(keys))
    except (ReceiptError, ProofError) as error:
        click.echo(f"{receipt}: not proved: {printable(error)}.", err=True)
        raise click.exceptions.Exit(FAILED) from None
    if payload is not None and not _has_digest(body, _read(payload)):
        click.echo(f"{payload}: the entry has not its digest.", err=True)
        raise click.exceptions.Exit(FAILED)
    click.echo(f"{receipt}: {printable(said)}.")


def _checked(raw: bytes, body: bytes, keys: tuple[VerifierKey, ...]) -> str:
    if raw.startswith(FIRST_LINE.encode()):
        try:
            made = Proof.parse(raw.decode())
        except UnicodeError:
            raise ProofError("a proof is text") from None
        checkpoint = made.check(body, keys).checkpoint
        return f"the entry is number {made.index} of {checkpoint.size} in {checkpoint.origin}"
    found = checked(raw, body, keys)
    stands = "" if found.place is None else f", which says that it is {found.place}"
    return f"the entry is in a log of {found.key.name}{stands}"


def _proved(call: str, config: Path | None, store: str | None, kind: str | None) -> Proved:
    settings = store_settings(config, store)
    try:
        call_id = only(open_records(config, store).find(call), call)
    except StoreError as error:
        cannot(error)
    with opened(settings) as reader:
        row = _row(reader, call_id, kind)
        return _proof_of(reader, row, settings)


def _row(reader: LogReader, call_id: str, kind: str | None) -> Kept:
    rows = {row.kind: row for row in (Kept(*one) for one in reader.entries(call_id))}
    wanted = [kind] if kind is not None else ["outcome", "intent"]
    for one in wanted:
        if one in rows:
            return rows[one]
    raise click.ClickException(f"{call_id} has no {' and no '.join(wanted)}")


def _proof_of(reader: LogReader, row: Kept, settings: StoreSettings) -> Proved:
    log, seq = place(row.position)
    name = f"{log_origin(reader.origin, log)}/{seq}"
    if row.body is None:
        raise click.ClickException(f"{name} was deleted; only its hash is left")
    body = row.body if isinstance(row.body, bytes) else str(row.body).encode()
    for kept in reader.checkpoints(log, 1):
        try:
            keys = [key.verifier for key in own_keys(settings, reader.origin)]
            said = open_checkpoint(str(kept.note), keys).checkpoint
            if seq >= said.size:
                break
            tree = Tree(reader.hashes(log), said.size)
            path = tuple(tree.inclusion(seq))
            holds = tree.root() == said.root and tree.leaf(seq) == leaf_hash(body)
        except (NoteError, TileError) as error:
            cannot(f"{name} cannot be proved: {error}; see `callgate audit verify`")
        if not holds:
            cannot(f"{name} is not as it was signed; see `callgate audit verify`")
        leaf = Leaf(place=name, size=said.size, index=seq, path=path, root=said.root)
        return Proved(kind=row.kind, body=body, leaf=leaf, checkpoint=str(kept.note))
    raise click.ClickException(f"{name} is under no checkpoint yet; ask again in a moment")


def _beside(receipt: Path) -> Path:
    return receipt.with_name(receipt.name + ".json")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        cannot(f"{path} cannot be read: {error.strerror}")


def _has_digest(body: bytes, payload: bytes) -> bool:
    said: Any = msgspec.json.decode(body)
    beside = said.get("payload") if isinstance(said, dict) else None
    return isinstance(beside, dict) and beside.get("sha256") == hashlib.sha256(payload).hexdigest()
