"""The keys that sign the record: read, or made at the first start; all of them sign."""

from __future__ import annotations

import logging
from pathlib import Path

from callgate.audit.keys import NotAKeyError, SigningKey, key_lines
from callgate.audit.rotation import read_keys, written_keys
from callgate.ports import StoreError
from callgate.secret_files import kept_secret
from callgate.storage.settings import StoreSettings

MAX_KEY_FILE_BYTES = 64 << 10

_log = logging.getLogger("callgate.storage")


class Keys:
    """What signs the record of a store. Another set in the file counts from the next signature."""

    def __init__(self, settings: StoreSettings, origin: str) -> None:
        """Makes the file where there is none. Raises StoreError."""
        self._file = None if settings.signing_key is not None else settings.key_file
        self._origin = origin
        if self._file is not None and not self._file.exists():
            _make(self._file, origin, is_shared=settings.url is not None)
        self._seen = self._stamp()
        self.current = _parsed(key_text(settings), origin, _name(settings))

    def refresh(self) -> None:
        """Looks whether the file has changed. Raises nothing: what cannot be read is not taken."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            assert self._file is not None  # noqa: S101 - or there were no stamp
            try:
                self.current = _parsed(_read(self._file), self._origin, str(self._file))
                _log.info("the record is signed by the keys that %s has now", self._file)
            except StoreError as error:
                _log.error("%s; the keys of before go on signing", error)

    def _stamp(self) -> tuple[int, ...]:
        if self._file is None:
            return ()
        try:
            found = self._file.stat()
        except OSError:
            return (0,)
        return (found.st_ino, found.st_mtime_ns, found.st_size)


def key_name(settings: StoreSettings) -> str | None:
    """The name in the keys that are given or lie there; None where there are none yet.

    A record that is begun takes its origin from it. Raises StoreError.
    """
    if settings.signing_key is None and not settings.key_file.exists():
        return None
    for line in key_lines(key_text(settings)):
        try:
            return SigningKey.parse(line).verifier.name
        except NotAKeyError as error:
            raise StoreError(f"{_name(settings)} is no signing key: {error}") from None
    raise StoreError(f"{_name(settings)} has no signing key in it")


def key_text(settings: StoreSettings) -> str:
    """The text of the keys. Raises StoreError."""
    return _read(settings.key_file) if settings.signing_key is None else settings.signing_key


def _name(settings: StoreSettings) -> str:
    return "store.signing_key" if settings.signing_key is not None else str(settings.key_file)


def _make(file: Path, origin: str, *, is_shared: bool) -> None:
    if is_shared:
        # Each replica would make its own beside itself, and lose it with its container.
        raise StoreError(
            f"there is no signing key: with store.url, make one by `callgate audit key new "
            f"{origin}` and give it to all gateways as store.signing_key, by reference, "
            "or as store.signing_key_file"
        )
    try:
        kept_secret(file, lambda: written_keys([SigningKey.generated(origin)]).encode())
    except OSError as error:
        raise StoreError(f"the signing key {file} cannot be made: {error.strerror}") from error


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_KEY_FILE_BYTES).decode()
    except (OSError, UnicodeError) as error:
        raise StoreError(f"the signing key {file} cannot be read: {error}") from error


def _parsed(text: str, origin: str, place: str) -> tuple[SigningKey, ...]:
    try:
        return read_keys(text, origin)
    except NotAKeyError as error:
        raise StoreError(f"{place}: {error}") from None
