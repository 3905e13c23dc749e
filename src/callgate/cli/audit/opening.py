"""What the commands of `callgate audit` look at, and which keys they trust: from their options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from callgate.audit.bundle import BundleError, BundleReader
from callgate.audit.explain import printable
from callgate.audit.keys import (
    COSIGNATURE,
    NOTE,
    NotAKeyError,
    SigningKey,
    VerifierKey,
    key_lines,
)
from callgate.audit.log_reader import LogReader
from callgate.audit.rotation import read_keys
from callgate.cli.store import DEFAULT_CONFIG, store_settings
from callgate.config.problems import ConfigError
from callgate.config.source import read_yaml
from callgate.ports import StoreError
from callgate.storage.blobs.opening import reader_of
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import key_text

CANNOT = 2  # the exit code where there is no answer
MAX_KEY_FILE_CHARACTERS = 64 << 10


class NoAnswer(click.ClickException):
    """What was asked for could not be read."""

    exit_code = CANNOT


def cannot(reason: object) -> NoReturn:
    """Ends the command without an answer."""
    raise NoAnswer(printable(reason))


@contextmanager
def answering() -> Iterator[None]:
    """Whatever goes wrong within is no answer, so that exit code 1 keeps its one meaning."""
    try:
        yield
    except click.ClickException as error:
        if error.exit_code == CANNOT:
            raise
        raise NoAnswer(error.format_message()) from None


class VerifierKeyType(click.ParamType[tuple[VerifierKey, ...]]):
    """A public key as text, or a file that has one on each line."""

    name = "key or file"

    def __init__(self, algorithm: int) -> None:
        self._algorithm = algorithm

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[VerifierKey, ...]:
        try:
            return tuple(self._parsed(line) for line in _lines(str(value)))
        except (OSError, UnicodeError, NotAKeyError) as error:
            self.fail(printable(error), param, ctx)

    def _parsed(self, text: str) -> VerifierKey:
        key = VerifierKey.parse(text)
        if key.algorithm != self._algorithm:
            other = "a witness" if key.algorithm == COSIGNATURE else "a log"
            raise NotAKeyError(f"{key.name} is the key of {other}")
        return key


LOG_KEY = VerifierKeyType(NOTE)
WITNESS_KEY = VerifierKeyType(COSIGNATURE)


def _lines(value: str) -> Sequence[str]:
    if value.count("+") >= 2:
        return [value]
    file = Path(value)
    if not file.exists():
        raise NotAKeyError(f"{value!r} is neither a key (name+id+base64) nor a file that is there")
    return key_lines(file.read_text("utf-8")[:MAX_KEY_FILE_CHARACTERS])


@contextmanager
def opened(settings: StoreSettings) -> Iterator[LogReader]:
    """The logs of a store, large payloads too. Where they cannot be read: exit code 2."""
    try:
        reader = open_log(settings, reader_of(settings))
        try:
            yield reader
        finally:
            reader.close()
    except StoreError as error:
        cannot(error)


@contextmanager
def opened_bundle(path: Path) -> Iterator[LogReader]:
    """The logs in a bundle. Where it is none: exit code 2."""
    try:
        with path.open("rb") as file:
            yield BundleReader(file, str(path))
    except (OSError, BundleError) as error:
        cannot(error)


@contextmanager
def opened_either(
    config: Path | None, store: str | None, bundle: Path | None
) -> Iterator[tuple[LogReader, StoreSettings | None]]:
    """What the options name; the settings where it is a store."""
    if bundle is not None:
        if store is not None:
            raise click.UsageError("give --bundle or --store, not both")
        with opened_bundle(bundle) as reader:
            yield reader, None
        return
    with answering():
        settings = store_settings(config, store)
    with opened(settings) as reader:
        yield reader, settings


def configured_witnesses(config: Path | None) -> tuple[tuple[VerifierKey, ...], int | None]:
    """The witnesses with a key in the configuration, and how many of them are asked for.

    Asks no more of the configuration than that: the rest may be broken.
    """
    file = config or DEFAULT_CONFIG
    if config is None and not file.exists():
        return (), None
    try:
        block = read_yaml(file.read_text("utf-8-sig"), file.name).child("witnesses")
        said = None if block is None else block.plain()
        if not isinstance(said, dict):
            return (), None
        given = [one.get("key") for one in said.get("show_to") or ()]
        keys = tuple(VerifierKey.parse(key) for key in given if key is not None)
    except (OSError, UnicodeError, ConfigError, NotAKeyError, AttributeError, TypeError) as error:
        cannot(f"{file}: the witnesses cannot be read: {error}")
    quorum = said.get("quorum")
    return keys, quorum if type(quorum) is int else None


def own_keys(settings: StoreSettings, origin: str) -> tuple[SigningKey, ...]:
    """The keys that sign this store. StoreError."""
    try:
        return read_keys(key_text(settings), origin)
    except NotAKeyError as error:
        raise StoreError(f"the signing key of the record: {error}") from None


def flat(keys: Sequence[tuple[VerifierKey, ...]]) -> tuple[VerifierKey, ...]:
    """The keys of an option that may be given more than once, each once."""
    return tuple(dict.fromkeys(key for each in keys for key in each))


def trusted(
    given: Sequence[tuple[VerifierKey, ...]], settings: StoreSettings | None, origin: str
) -> tuple[VerifierKey, ...]:
    """The keys that were given; without any, those that sign this store here."""
    if given:
        return flat(given)
    if settings is None:
        raise click.UsageError("a bundle does not vouch for itself: give --key")
    try:
        keys = own_keys(settings, origin)
    except StoreError as error:
        raise click.UsageError(f"give --key, since {printable(error)}") from None
    click.echo(
        "The key is taken from beside the record. Whoever could change both is found only with "
        "--key, --known or --witness from elsewhere.",
        err=True,
    )
    return tuple(key.verifier for key in keys)
