from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.audit.keys import SigningKey
from callgate.audit.place import LOG_OF_LOGS
from callgate.audit.rotation import written_keys
from callgate.audit.verifying import Trust, verify
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import Keys
from fakes.clock import FakeClock
from fakes.kept import kept
from fakes.logs import kept_logs
from fakes.store import an_intent, an_outcome
from fakes.writing import an_appender, write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(path=tmp_path / "r.db")


def keys_of(settings: StoreSettings) -> tuple[SigningKey, ...]:
    with closing(open_log(settings)) as reader:
        return Keys(settings, reader.origin).current


def failures(settings: StoreSettings, *trusted: SigningKey) -> list[str]:
    with closing(open_log(settings)) as reader:
        found = verify(reader, Trust(keys=tuple(key.verifier for key in trusted)))
    return [str(failure) for failure in found.failures]


def life(settings: StoreSettings, call_id: str) -> None:
    write(settings, an_intent(call_id), an_outcome(call_id))


def test_keys_follow_each_other_and_who_trusts_the_first_trusts_the_last(
    settings: StoreSettings,
) -> None:
    life(settings, "c1")
    (first,) = keys_of(settings)
    second = SigningKey.generated(first.verifier.name)
    clock = FakeClock()
    appender = an_appender(settings, clock)
    settings.key_file.write_text(written_keys([first, second]))
    appender.write([an_intent("c2"), an_outcome("c2")])
    appender.tend()  # beside the running gateway
    appender.write([an_intent("c3"), an_outcome("c3")])
    settings.key_file.write_text(written_keys([second]))
    appender.close()
    life(settings, "c4")
    codes = [entry.code for entry in kept(settings) if entry.kind == "event"]
    assert codes == ["signing_key_changed"]
    assert failures(settings, first) == []
    assert kept_logs(settings).keys() == {LOG_OF_LOGS, 1}


def test_log_whose_key_was_lost_is_left_for_a_new_one(settings: StoreSettings) -> None:
    life(settings, "c1")
    (lost,) = keys_of(settings)
    settings.key_file.write_text(written_keys([SigningKey.generated(lost.verifier.name)]))
    damage = write(settings, an_intent("c2"), an_outcome("c2"))
    assert "signed by no key that is known" in damage[0]
    with closing(sqlite3.connect(settings.path)) as connection:
        places = dict(connection.execute("SELECT call_id, position >> 40 FROM records"))
    assert (places["c1"], places["c2"]) == (1, 2)


def test_calls_in_flight_go_on_where_the_record_was_put_back_to_earlier(
    settings: StoreSettings, tmp_path: Path
) -> None:
    life(settings, "c1")
    shutil.copy(settings.path, tmp_path / "backup.db")
    appender = an_appender(settings)
    appender.write([an_intent("flying")])
    for leftover in ("r.db-wal", "r.db-shm"):
        (tmp_path / leftover).unlink()
    (tmp_path / "backup.db").replace(settings.path)
    appender.reopen()
    appender.write([an_outcome("flying")])
    appender.close()
    logs = kept_logs(settings)
    assert (logs[1], logs[2]) == (["c1", "c1"], ["flying"])


def test_log_that_another_hand_has_changed_while_it_was_ours_is_left(
    settings: StoreSettings,
) -> None:
    appender = an_appender(settings)
    appender.write([an_intent("c1"), an_outcome("c1")])
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        connection.execute("DELETE FROM records WHERE kind = 'outcome'")
    appender.reopen()
    assert appender.damage == ("log 1 is not what this gateway wrote",)
    appender.write([an_outcome("c2")])
    appender.close()
    with closing(sqlite3.connect(settings.path)) as connection:
        places = list(connection.execute("SELECT position >> 40, call_id FROM records ORDER BY 1"))
    # The outcome of c1 is gone: the new log has one that says that nothing is known.
    assert places == [(0, "k2-0000000000002"), (1, "c1"), (2, "c1"), (2, "c2")]


def test_call_whose_log_was_left_has_one_outcome_whoever_comes_first(
    settings: StoreSettings,
) -> None:
    appender = an_appender(settings)
    appender.write([an_intent("c1"), an_intent("c2"), an_outcome("c3")])
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        connection.execute("DELETE FROM records WHERE call_id = 'c3'")
    appender.reopen()  # log 1 is left; `c1` and `c2` go on
    appender.write([an_outcome("c1")])
    other = an_appender(settings)  # takes `c2` for dead
    appender.write([an_outcome("c2"), an_outcome("c4")])
    for one in (appender, other):
        one.close()
    ended = [(e.call_id, e.code) for e in kept(settings) if e.kind != "intent"]
    assert sorted(ended) == [
        ("c1", "ok"),
        ("c2", "interrupted"),
        ("c4", "ok"),
        ("ended:c2", "call_ended_after_all"),
    ]


def test_checkpoint_that_was_durable_after_all_is_not_written_twice(
    settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    appender = an_appender(settings, clock)
    appender.write([an_intent("c1"), an_outcome("c1")])
    tenure = appender._tenure
    monkeypatch.setattr(tenure, "keep", lambda signing: None)  # as if the answer were lost
    appender.tend()
    monkeypatch.undo()
    appender.reopen()
    clock.advance(1)
    appender.tend()
    appender.write([an_intent("c2"), an_outcome("c2")])
    appender.close()
    assert failures(settings, *keys_of(settings)) == []
    assert kept_logs(settings)[1] == ["c1", "c1", "c2", "c2"]


def test_record_that_is_begun_anew_beside_its_key_keeps_its_name(settings: StoreSettings) -> None:
    life(settings, "c1")
    with closing(open_log(settings)) as reader:
        origin = reader.origin
    settings.path.unlink()
    life(settings, "c2")
    with closing(open_log(settings)) as reader:
        assert reader.origin == origin
