"""`callgate audit key`: shows the keys of the record, makes them, and has one follow another."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import click

from callgate.audit.checkpoints import is_origin
from callgate.audit.keys import COSIGNATURE, NOTE, SigningKey, VerifierKey
from callgate.audit.notes import Note, NoteError
from callgate.audit.rotation import MAX_KEYS, written_keys
from callgate.cli.audit.opening import cannot, opened, own_keys
from callgate.cli.store import store_options, store_settings
from callgate.ports import StoreError
from callgate.secret_files import replace_file, secret_file
from callgate.storage.settings import StoreSettings


@click.group(invoke_without_command=True)
@store_options
@click.pass_context
def key(context: click.Context, config: Path | None, store: str | None) -> None:
    """Show the public keys that the record is verified with. Give them to whoever verifies."""
    if context.invoked_subcommand is not None:
        if config is not None or store is not None:
            raise click.UsageError("put --config and --store behind the command")
        return
    for one in _keys(store_settings(config, store)):
        click.echo(one.verifier.text)


@key.command()
@click.argument("name")
@click.option("--witness", is_flag=True, help="The key of a witness, not of a record.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write it to.  [default: print it]",
)
def new(name: str, witness: bool, out: Path | None) -> None:
    """Make a signing key. NAME is the origin of the record, or the name of the witness.

    Both are written like a URL without its scheme: `records.example.com/gateway`.
    """
    if not is_origin(name):
        raise click.UsageError(f"{name!r} has spaces or `+` in it, ends with `/` or is too long")
    made = SigningKey.generated(name, COSIGNATURE if witness else NOTE)
    if out is None:
        click.echo(made.text)
    else:
        try:
            with secret_file(out) as file:
                file.write(written_keys([made]).encode())
        except OSError as error:
            raise click.ClickException(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"The public key: {made.verifier.text}", err=True)


@key.command()
@store_options
def rotate(config: Path | None, store: str | None) -> None:
    """Add a new key beside the one in force. A running gateway takes it up within seconds.

    From then on both sign, and the record says so, so that whoever trusts the old key may trust the
    new one. `callgate audit key retire` ends that.
    """
    settings = store_settings(config, store)
    file = _file(settings)
    keys = _keys(settings)
    if len(keys) >= MAX_KEYS:
        raise click.ClickException(f"{file} has {len(keys)} keys; retire the older ones first")
    made = SigningKey.generated(keys[0].verifier.name)
    _write(file, (*keys, made))
    click.echo(made.verifier.text)
    click.echo(f"{file} has {len(keys) + 1} keys now; all of them sign.", err=True)


@key.command()
@store_options
def retire(config: Path | None, store: str | None) -> None:
    """Take out every key but the newest, once the record has been signed by both."""
    settings = store_settings(config, store)
    file = _file(settings)
    *older, newest = _keys(settings)
    if not older:
        raise click.ClickException(f"{file} has one key only; `rotate` adds another")
    if not _have_signed_together(settings, older, newest):
        raise click.ClickException(
            f"no checkpoint is signed by {newest.verifier.text} and one before it: start a gateway "
            "with both, or nobody who trusts the old key can trust the new one"
        )
    waiting = _waiting_for_older(settings, newest)
    if waiting is not None:
        raise click.ClickException(
            f"log {waiting} goes on behind its last checkpoint, and only who has the older keys can"
            " go on from that: wait for its gateway to sign, or start one where that has died"
        )
    _write(file, (newest,))
    click.echo(newest.verifier.text)
    click.echo(f"{file} has this key only now.", err=True)


def _keys(settings: StoreSettings) -> tuple[SigningKey, ...]:
    with opened(settings) as reader:
        origin = reader.origin
    try:
        return own_keys(settings, origin)
    except StoreError as error:
        cannot(error)


def _file(settings: StoreSettings) -> Path:
    if settings.signing_key is not None:
        raise click.ClickException(
            "store.signing_key holds the keys: make one with `callgate audit key new` and add it "
            "there, on a line of its own; later take the old one out"
        )
    return settings.key_file


def _write(file: Path, keys: tuple[SigningKey, ...]) -> None:
    try:
        replace_file(file, written_keys(keys).encode())
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _waiting_for_older(settings: StoreSettings, newest: SigningKey) -> int | None:
    """A log whose end nobody could sign any more who has the newest key only."""
    with opened(settings) as reader:
        for log in reader.logs():
            for kept in reader.checkpoints(log, 1):
                is_signed = newest.verifier in _signers(kept.note, [newest.verifier])
                if reader.size(log) != kept.size and not is_signed:
                    return log
    return None


def _signers(note: Any, known: Sequence[VerifierKey]) -> Set[VerifierKey]:
    """Which of the keys have signed it; none where it cannot be read."""
    try:
        return Note.parse(note).signed_by(known).keys()
    except NoteError:
        return frozenset()


def _have_signed_together(
    settings: StoreSettings, older: list[SigningKey], newest: SigningKey
) -> bool:
    known = [one.verifier for one in older]
    with opened(settings) as reader:
        for log in reader.logs():
            for kept in reader.checkpoints(log, 1):
                signers = _signers(kept.note, [*known, newest.verifier])
                if newest.verifier in signers and not signers.isdisjoint(known):
                    return True
    return False
