"""Every kind of change × place × store: all are found, and the first bad record is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from callgate.audit.findings import RECORDS_CHANGED, Verification
from callgate.audit.keys import SigningKey, VerifierKey
from callgate.audit.verifying import Trust, verify
from callgate.storage.blobs.opening import reader_of
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import key_text
from fakes.clock import FakeClock
from fakes.editing import StoreEditor
from fakes.postgres import a_database
from fakes.tampering import DEEDS, OF_RECORDS, PLACES, Change, Deed, Place, calls, covered
from fakes.writing import an_appender

AT = 1_700_000_000.0  # when the calls are


class Store:
    """A store with logs 1 and 2, written by two gateways at the same time."""

    def __init__(self, name: str, settings: StoreSettings) -> None:
        self.name = name
        self.settings = settings
        clock = FakeClock(AT)
        one, other = an_appender(settings, clock), an_appender(settings, clock)
        entries = list(calls(0, 170))
        for first in range(0, len(entries), 80):
            one.write(entries[first : first + 80])
            if first == 160:
                other.write(list(calls(1000, 1012)))
            clock.advance(1.5)
            one.tend()
            other.tend()
        one.close()
        other.close()
        line = key_text(settings).splitlines()[0]
        self.key: VerifierKey = SigningKey.parse(line).verifier

    def verified(self) -> Verification:
        reader = open_log(self.settings, reader_of(self.settings))
        try:
            return verify(reader, Trust(keys=(self.key,)))
        finally:
            reader.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("tampered") / "r.db"
    if request.param == "sqlite":
        yield Store("sqlite", StoreSettings(path=path, synchronous="normal"))
        return
    with a_database() as url:
        key = SigningKey.generated("callgate.example").text
        yield Store("postgres", StoreSettings(url=url, signing_key=key, path=path))


@pytest.fixture(scope="module")
def shared(store: Store) -> Iterator[StoreEditor]:
    made = StoreEditor(store.settings)
    yield made
    made.close()


@pytest.fixture
def editor(shared: StoreEditor) -> Iterator[StoreEditor]:
    yield shared
    shared.restore()


def test_a_store_that_nobody_touched_holds(store: Store, editor: StoreEditor) -> None:
    result = store.verified()

    assert result.failures == ()
    assert result.uncovered == 0
    assert [one.log for one in result.logs] == [0, 1, 2]
    assert editor.size(1) > 300
    assert len(editor.sizes(1)) > 3


@pytest.mark.parametrize("place", PLACES, ids=[place.name for place in PLACES])
@pytest.mark.parametrize("change", OF_RECORDS, ids=[change.name for change in OF_RECORDS])
def test_a_record_that_was_tampered_with_is_found_and_named(
    store: Store, editor: StoreEditor, change: Change, place: Place
) -> None:
    log, seq = place.of(editor)
    change.do(editor, log, seq)
    editor.done()

    result = store.verified()
    assert not result.holds
    first = result.failures[0]
    assert first.code in change.codes, result.failures
    assert (first.log, first.seq is None) == (log, False)
    if change.is_exact:
        assert (first.seq, first.last) == (seq, None)
    elif first.code == RECORDS_CHANGED and first.seq is not None and first.last is not None:
        assert {seq - 1, seq, seq + 1} & set(range(first.seq, first.last + 1))


@pytest.mark.parametrize("deed", DEEDS, ids=[deed.name for deed in DEEDS])
def test_what_was_done_to_a_store_is_found(store: Store, editor: StoreEditor, deed: Deed) -> None:
    if store.name == "postgres" and deed.name == "a payload that is no text":
        pytest.skip("PostgreSQL holds no such text")
    last = covered(editor, deed.log) if deed.log is not None else 0
    deed.do(editor)
    editor.done()

    result = store.verified()
    assert not result.holds
    first = result.failures[0]
    assert first.code in deed.codes, result.failures
    assert first.log == deed.log
    if deed.seq is not None:
        assert first.seq == (deed.seq if deed.seq >= 0 else last + deed.seq)
