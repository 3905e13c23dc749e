"""How a call ended, in one word."""

from __future__ import annotations

import pytest

from callgate.model import Reply
from callgate.telemetry.codes import code_of
from fakes.outcomes import ended


def test_a_call_that_was_answered_is_ok() -> None:
    assert code_of(ended()) == "ok"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b'{"content":[],"isError":true}'),
        Reply(body=b'{"code":-32000,"message":"no"}', is_error=True),
    ],
)
def test_what_the_target_itself_called_a_failure_is_one(reply: Reply) -> None:
    assert code_of(ended(reply=reply)) == "tool_error"


def test_words_about_errors_in_a_result_are_no_failure() -> None:
    reply = Reply(
        body=b'{"content":[{"type":"text","text":"\\"isError\\": true"}],"isError":false}'
    )

    assert code_of(ended(reply=reply)) == "ok"


def test_a_refusal_goes_before_what_the_target_said() -> None:
    reply = Reply(body=b'{"content":[],"isError":true}')

    assert code_of(ended("result_withheld", reply=reply)) == "result_withheld"
