"""The two halves of the protocol together: this witness as client, Callgate as the witness."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from callgate.audit.notes import Signature
from callgate.audit.submissions import SIZE_TYPE, Submission
from callgate.control.countersigning import Countersigner
from callgate.control.seen_checkpoints import SeenCheckpoints
from callgate.witnesses.tlog import TlogWitness
from callgate.witnesses.witness import Disputed, WitnessError
from fakes.clock import FakeClock
from fakes.http_target import Answer, HttpTarget, Seen, Talk
from fakes.record import KEY, ORIGIN, FakeRecord
from fakes.witnesses import WITNESS, FakeLogOfLogs


@pytest.fixture
def countersigner(tmp_path: Path) -> Countersigner:
    return Countersigner(
        WITNESS,
        {f"{ORIGIN}/0": [KEY.verifier]},
        SeenCheckpoints(tmp_path / "w.db"),
        FakeClock(1_700_000_000.0),
    )


def signing(countersigner: Countersigner, asked: list[int] | None = None) -> Answer:
    async def answer(seen: Seen, talk: Talk) -> None:
        assert (seen.method, seen.path) == ("POST", "/mcp/add-checkpoint")
        if asked is not None:
            asked.append(Submission.parse(seen.body).old_size)
        reply = countersigner.submit(seen.body)
        await talk.respond(reply.status, reply.body.encode(), reply.media_type)

    return answer


def saying(status: int, body: bytes, kind: str = "text/plain") -> Answer:
    async def answer(seen: Seen, talk: Talk) -> None:
        await talk.respond(status, body, kind)

    return answer


Scenario = Callable[[TlogWitness], Awaitable[None]]


def with_witness(answer: Answer, scenario: Scenario) -> None:
    async def run() -> None:
        async with HttpTarget(answer) as server:
            witness = TlogWitness("w1", f"{server.url}/", WITNESS.verifier, 10)
            await scenario(witness)
            await witness.close()

    asyncio.run(run())


def show(answer: Answer, log: FakeLogOfLogs) -> tuple[Signature, ...]:
    found: list[tuple[Signature, ...]] = []

    async def scenario(witness: TlogWitness) -> None:
        found.append(await witness.show(log.shown()))

    with_witness(answer, scenario)
    return found[0]


def test_a_log_that_grows_is_cosigned_each_time(countersigner: Countersigner) -> None:
    log, asked = FakeLogOfLogs(), list[int]()

    async def scenario(witness: TlogWitness) -> None:
        for _ in range(4):
            log.grow(3)
            (line,) = await witness.show(log.shown())
            assert line.is_of(WITNESS.verifier)
            log.add(log.shown().checkpoint.size, [line])
        assert await witness.show(log.shown())  # the same again

    with_witness(signing(countersigner, asked), scenario)
    assert asked == [0, 3, 6, 9, 12]


def test_after_a_restart_the_witness_says_what_it_has_seen(countersigner: Countersigner) -> None:
    log, asked = FakeLogOfLogs(), list[int]()
    log.grow(5)
    show(signing(countersigner, asked), log)
    log.grow(5)
    show(signing(countersigner, asked), log)

    assert asked == [0, 0, 5]


def test_a_record_that_was_cut_or_replaced_is_disputed(countersigner: Countersigner) -> None:
    log = FakeLogOfLogs()
    log.grow(5)
    show(signing(countersigner), log)

    shorter, same_size, longer = FakeLogOfLogs(), FakeLogOfLogs(), FakeLogOfLogs()
    shorter.grow(4)
    for other, size in ((same_size, 5), (longer, 7)):
        other.calls = 100
        other.grow(size)
    with pytest.raises(Disputed, match="it has seen 5 entries, the record has 4"):
        show(signing(countersigner), shorter)
    with pytest.raises(Disputed, match="it has seen another record of 5 entries"):
        show(signing(countersigner), same_size)
    with pytest.raises(Disputed, match="do not go on"):
        show(signing(countersigner), longer)
    log.grow()
    assert show(signing(countersigner), log)


def test_a_witness_that_does_not_know_us_says_so(countersigner: Countersigner) -> None:
    foreign = FakeLogOfLogs(FakeRecord("callgate.dev/other"))
    foreign.grow(1)

    with pytest.raises(WitnessError, match="does not know callgate"):
        show(signing(countersigner), foreign)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (saying(200, b"welcome\n"), "cannot be believed"),
        (saying(403, b"no\n"), "does not know the key"),
        (saying(409, b"17\n", SIZE_TYPE), "has seen 17 entries"),
        (saying(409, b"0\n", SIZE_TYPE), "another record"),
        (saying(409, b"1\n", SIZE_TYPE), "another record"),
        (saying(409, b"01\n", SIZE_TYPE), "no size"),
        (saying(409, b"hello\n"), "another record"),
        (saying(500, b"oops\n"), "HTTP 500: oops"),
        (saying(302, b""), "redirects"),
    ],
)
def test_a_witness_that_is_wrong_or_lies_is_not_believed(answer: Answer, problem: str) -> None:
    log = FakeLogOfLogs()
    log.grow(3)

    with pytest.raises(WitnessError, match=problem):
        show(answer, log)
