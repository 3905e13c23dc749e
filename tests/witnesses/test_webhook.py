import asyncio

import pytest

from callgate.audit.keys import VerifierKey
from callgate.audit.notes import Signature, lines, witnessed
from callgate.witnesses.webhook import WebhookWitness
from callgate.witnesses.witness import WitnessError
from fakes.http_target import HttpTarget, Seen, Talk
from fakes.witnesses import AT, WITNESS, FakeLogOfLogs

LOG = FakeLogOfLogs()
LOG.grow(2)
SHOWN = LOG.shown()
COSIGNED = lines([witnessed(SHOWN.checkpoint.text, WITNESS, AT)]).encode()


def show(status: int, body: bytes, key: VerifierKey | None = None) -> tuple[Signature, ...]:
    async def answer(seen: Seen, talk: Talk) -> None:
        assert seen.body.decode() == SHOWN.note
        assert seen.headers["authorization"] == "Bearer x"
        await talk.respond(status, body, "text/plain")

    async def run() -> tuple[Signature, ...]:
        async with HttpTarget(answer) as server:
            headers = {"authorization": "Bearer x"}
            witness = WebhookWitness("hook", server.url, headers, key, 10)
            try:
                return await witness.show(SHOWN)
            finally:
                await witness.close()

    return asyncio.run(run())


@pytest.mark.parametrize("status", [200, 202, 204])
def test_the_checkpoint_is_posted_and_success_is_enough(status: int) -> None:
    assert show(status, b"") == ()
    assert show(200, COSIGNED) == ()  # without a key, nobody could say whose it is


def test_with_a_key_the_answer_must_be_signed_by_it() -> None:
    (line,) = show(200, COSIGNED, WITNESS.verifier)
    assert line.is_of(WITNESS.verifier)

    with pytest.raises(WitnessError, match="its answer"):
        show(200, b"thank you\n", WITNESS.verifier)


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_no_success(status: int) -> None:
    with pytest.raises(WitnessError, match=f"HTTP {status}"):
        show(status, COSIGNED, WITNESS.verifier)
