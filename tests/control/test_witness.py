from dataclasses import replace
from pathlib import Path

from callgate.audit.submissions import MAX_SUBMISSION_BYTES, Submission
from callgate.control.app import ControlEndpoint
from callgate.control.countersigning import Countersigner
from callgate.control.seen_checkpoints import SeenCheckpoints
from callgate.control.settings import ControlListenerSettings
from fakes.asgi import Answered, ask
from fakes.clock import FakeClock
from fakes.operators import some_views
from fakes.record import KEY, ORIGIN
from fakes.witnesses import WITNESS, FakeLogOfLogs

LOG = FakeLogOfLogs()
LOG.grow(3)
SUBMISSION = str(Submission(old_size=0, path=(), checkpoint=LOG.newest() or "")).encode()


def post(body: bytes, countersigner: Countersigner | None) -> Answered:
    views = replace(some_views(), countersigner=countersigner)
    endpoint = ControlEndpoint(views, ControlListenerSettings())
    return ask(endpoint, "/add-checkpoint", method="POST", body=body)


def a_countersigner(directory: Path) -> Countersigner:
    seen = SeenCheckpoints(directory / "w.db")
    return Countersigner(WITNESS, {f"{ORIGIN}/0": [KEY.verifier]}, seen, FakeClock())


def test_a_checkpoint_is_cosigned_without_a_token(tmp_path: Path) -> None:
    countersigner = a_countersigner(tmp_path)
    answered = post(SUBMISSION, countersigner)
    assert (answered.status, answered.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answered.body.startswith("— witness.example/w1 ".encode())

    answered = post(SUBMISSION, countersigner)
    assert (answered.status, answered.body) == (409, b"3\n")
    assert answered.headers["content-type"] == "text/x.tlog.size"


def test_a_gateway_that_is_no_witness_says_so() -> None:
    assert post(SUBMISSION, None).status == 404


def test_too_much_is_not_read(tmp_path: Path) -> None:
    assert post(b"x" * (MAX_SUBMISSION_BYTES + 1), a_countersigner(tmp_path)).status == 413


def test_what_cannot_be_kept_is_not_signed(tmp_path: Path) -> None:
    countersigner = a_countersigner(tmp_path)
    countersigner.close()

    answered = post(SUBMISSION, countersigner)
    assert answered.status == 503
    assert "Nothing is signed" in answered.json["detail"]
