import asyncio
import threading
from typing import Any

import pytest

from callgate.authoring.model_client import MAX_ANSWER_BYTES, Message, ModelClient, ModelError
from callgate.authoring.settings import DraftingSettings
from fakes.model_endpoint import Answer, ModelEndpoint, failing, model_endpoint, saying, wordy

QUESTION = [Message(role="system", content="Be brief."), Message(role="user", content="Hé?")]
KEY = "sk-5ecret-5ecret-5ecret"


def ask(endpoint: ModelEndpoint, **more: Any) -> str:
    async def scenario() -> str:
        settings = DraftingSettings(url=endpoint.url, model="m", **more)
        async with ModelClient(settings) as model:
            return await model.ask(QUESTION)

    return asyncio.run(scenario())


def test_a_conversation_goes_out_and_a_text_comes_back() -> None:
    with model_endpoint() as endpoint:
        endpoint.will(saying("Hello."))

        assert ask(endpoint, api_key=KEY) == "Hello."

    (asked,) = endpoint.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hé?"},
        ],
    }


def test_without_a_key_none_is_sent() -> None:
    with model_endpoint() as endpoint:
        endpoint.will(saying("Hello."))
        ask(endpoint)

    assert "authorization" not in endpoint.asked[0].headers


def test_content_in_parts_is_one_text() -> None:
    with model_endpoint() as endpoint:
        endpoint.will(saying([{"type": "text", "text": "a"}, {"type": "x"}, {"text": "b"}]))

        assert ask(endpoint) == "ab"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (failing(400, "no such model"), r"is `policies\.drafting\.model` right\? \(400: no such"),
        (failing(401), r"did not accept the key; check `policies\.drafting\.api_key` \(401\)"),
        (failing(403), r"does not let this key use the model"),
        (failing(404), r"knows no such path or model"),
        (failing(413), r"found the request too large"),
        (failing(429, Retry_After="20"), r"no more requests now \(429\); try again in 20 s"),
        (failing(429, Retry_After="soon; or not"), r"\(429\); try again later"),
        (failing(500, "boom"), r"failed; try again later \(500: boom\)"),
        (failing(503, "a\x1b[31mb" + "c" * 500), r"503: a\[31mbc{194}\)"),
        (Answer(502, b"<html>Bad gateway</html>"), r"failed; try again later \(502\)"),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), r"redirects \(302\), which is not"),
        (Answer(200, b"<html>hello</html>"), r"did not answer like chat completions"),
        (Answer(200, b"\xff\xfe"), r"did not answer like chat completions"),
        (Answer(200, b'{"choices": 5}'), r"did not answer like chat completions"),
        (Answer(200, b"[" * 100_000), r"did not answer like chat completions"),
        (Answer(200, b'{"choices": []}'), r"answered without a choice"),
        (saying(""), r"the model answered nothing"),
        (saying([{"type": "image"}]), r"the model answered nothing"),
        (saying("", refusal="I cannot."), r"the model declined to answer"),
        (saying("x", finish_reason="content_filter"), r"the model declined to answer"),
        (saying("{", finish_reason="length"), r"was cut off at its limit"),
        (wordy(MAX_ANSWER_BYTES), rf"answered more than {MAX_ANSWER_BYTES} bytes"),
    ],
)
def test_an_endpoint_that_fails_is_said_plainly(answer: Answer, problem: str) -> None:
    with model_endpoint() as endpoint:
        endpoint.will(answer)

        with pytest.raises(ModelError, match=problem):
            ask(endpoint, api_key=KEY)

    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_the_key_is_never_repeated(status: int) -> None:
    with model_endpoint() as endpoint:
        endpoint.will(failing(status, f"Incorrect API key provided: {KEY}."))

        with pytest.raises(ModelError) as raised:
            ask(endpoint, api_key=KEY)

    assert KEY not in str(raised.value)


def test_an_endpoint_that_does_not_answer_is_given_up_on() -> None:
    answer = saying("late")
    answer.waits = threading.Event()
    with model_endpoint() as endpoint:
        endpoint.will(answer)
        with pytest.raises(ModelError, match=r"did not answer within 0\.1 s; raise `policies"):
            ask(endpoint, timeout_seconds=0.1)
        answer.waits.set()


def test_an_endpoint_that_is_down_is_said_so() -> None:
    with model_endpoint() as endpoint:
        pass
    with pytest.raises(ModelError, match=r"cannot be reached: .*refused"):
        ask(endpoint)
