from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callgate.audit.checkpoints import Checkpoint, read_checkpoint
from callgate.audit.keys import SigningKey
from callgate.audit.notes import Note, read_signatures
from callgate.audit.submissions import SIZE_TYPE, Submission
from callgate.control.countersigning import Countersigner, Reply
from callgate.control.seen_checkpoints import SeenCheckpoints
from callgate.ports import StoreError
from fakes.clock import FakeClock
from fakes.record import KEY, ORIGIN
from fakes.witnesses import AT, WITNESS, FakeLogOfLogs

WATCHED = f"{ORIGIN}/0"


def a_countersigner(directory: Path, *keys: SigningKey) -> Countersigner:
    return Countersigner(
        WITNESS,
        {WATCHED: [key.verifier for key in keys or (KEY,)]},
        SeenCheckpoints(directory / "w.db"),
        FakeClock(AT + 0.9),
    )


def submission(
    log: FakeLogOfLogs, old: int, path: Sequence[bytes] | None = None, note: str | None = None
) -> bytes:
    newest = log.newest() if note is None else note
    assert newest is not None
    size = read_checkpoint(newest)[0].size
    steps = log.proof(old, size) if path is None and old <= size else (path or ())
    return str(Submission(old_size=old, path=tuple(steps), checkpoint=newest)).encode()


@pytest.fixture
def log() -> FakeLogOfLogs:
    made = FakeLogOfLogs()
    made.grow(3)
    return made


def test_what_goes_on_is_cosigned(tmp_path: Path, log: FakeLogOfLogs) -> None:
    countersigner = a_countersigner(tmp_path)
    for old, size in ((0, 3), (3, 3), (3, 8), (8, 9)):
        log.grow(size - log.calls)
        reply = countersigner.submit(submission(log, old))

        assert reply.status == 200
        newest = log.newest()
        assert newest is not None
        note = Note(text=Note.parse(newest).text, signatures=read_signatures(reply.body))
        assert note.signed_by([WITNESS.verifier]) == {WITNESS.verifier: AT}


def test_what_was_seen_outlives_the_process(tmp_path: Path, log: FakeLogOfLogs) -> None:
    first = a_countersigner(tmp_path)
    first.submit(submission(log, 0))
    first.close()

    again = a_countersigner(tmp_path).submit(submission(log, 0))
    assert again == Reply(status=409, body="3\n", media_type=SIZE_TYPE)


def test_another_log_of_the_same_size_is_never_signed(tmp_path: Path, log: FakeLogOfLogs) -> None:
    countersigner = a_countersigner(tmp_path)
    countersigner.submit(submission(log, 0))
    other = FakeLogOfLogs()
    other.calls = 50
    other.grow(3)

    reply = countersigner.submit(submission(other, 3))
    assert (reply.status, reply.media_type != SIZE_TYPE) == (409, True)
    other.grow(2)
    assert countersigner.submit(submission(other, 3)).status == 422
    assert countersigner.submit(submission(log, 3)).status == 200


def test_statuses_are_those_of_the_specification(tmp_path: Path, log: FakeLogOfLogs) -> None:
    countersigner = a_countersigner(tmp_path)
    newest = log.newest()
    assert newest is not None
    stranger = SigningKey.generated(ORIGIN)
    unsigned = str(read_checkpoint(newest)[0].signed([stranger]))
    elsewhere = str(Checkpoint(origin="o/0", size=3, root=bytes(32)).signed([KEY]))
    edited = newest.replace("\n3\n", "\n4\n", 1)

    assert countersigner.submit(b"hello").status == 400
    assert countersigner.submit(submission(log, 0, note=elsewhere)).status == 404
    assert countersigner.submit(submission(log, 0, note=unsigned)).status == 403
    assert countersigner.submit(submission(log, 0, note=edited)).status == 403
    assert countersigner.submit(submission(log, 4)).status == 400
    assert countersigner.submit(submission(log, 0, [bytes(32)])).status == 422
    assert countersigner.submit(submission(log, 1)) == Reply(
        status=409, body="0\n", media_type=SIZE_TYPE
    )
    assert countersigner.submit(submission(log, 0)).status == 200
    log.grow()
    assert countersigner.submit(submission(log, 3, [])).status == 422
    assert countersigner.submit(submission(log, 3, [bytes(32)] * 3)).status == 422


def test_any_of_the_keys_of_a_log_will_do(tmp_path: Path, log: FakeLogOfLogs) -> None:
    new = SigningKey.generated(ORIGIN)
    countersigner = a_countersigner(tmp_path, KEY, new)
    assert countersigner.submit(submission(log, 0)).status == 200

    log.record.keys = (new,)
    log.grow()
    assert countersigner.submit(submission(log, 3)).status == 200


def test_two_histories_that_come_at_once_are_not_both_signed(tmp_path: Path) -> None:
    logs = []
    for number in range(2):
        log = FakeLogOfLogs()
        log.calls = number * 100
        log.grow(4)
        logs.append(submission(log, 0))
    writers = [a_countersigner(tmp_path) for _ in range(2)]
    for turn in range(20):
        order = (0, 1) if turn % 2 else (1, 0)
        with ThreadPoolExecutor(2) as threads:
            replies = threads.map(lambda n: writers[n].submit(logs[n]).status, order)
        assert sorted(replies) in ([200, 409], [409, 409])


def test_nothing_is_signed_that_cannot_be_kept(tmp_path: Path, log: FakeLogOfLogs) -> None:
    countersigner = a_countersigner(tmp_path)
    countersigner.close()

    with pytest.raises(StoreError, match=r"w\.db"):
        countersigner.submit(submission(log, 0))
