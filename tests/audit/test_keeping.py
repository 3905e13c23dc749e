"""What of contents is kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callgate.audit.keeping import Keeping, arguments_of, result_of, secrets_of
from callgate.audit.masks import Masks
from callgate.model import Reply
from callgate.protocol.methods import method_tool
from fakes.store import an_ending_call

KEEPING = Keeping(result_masks=Masks.parse(("card.number", "*.secret")))


def kept(result: Any, keeping: Keeping = KEEPING, **more: Any) -> tuple[Any, tuple[str, ...]]:
    body = result if isinstance(result, bytes) else msgspec.json.encode(result)
    found = result_of(Reply(body=body, **more), "shop", keeping)
    assert found is not None
    return msgspec.json.decode(msgspec.json.encode(found.content)), found.masked


def text(of: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": of}]}


def test_arguments_are_kept_as_they_were_sealed() -> None:
    found = arguments_of(an_ending_call("c1", sealed=b'{"amount":5.0}'), Keeping())

    assert isinstance(found.content, msgspec.Raw)
    assert (bytes(found.content), found.masked) == (b'{"amount":5.0}', ())


def test_arguments_are_masked_whether_sealed_or_not() -> None:
    keeping = Keeping(masks=Masks.parse(("customer", "absent")))
    for sealed in (None, b'{"customer":"c1","amount":5}'):
        found = arguments_of(an_ending_call("c1", sealed=sealed), keeping)
        assert (found.content, found.masked) == ({"customer": "***", "amount": 5}, ("customer",))


def test_answers_to_a_task_are_masked_whatever_is_said() -> None:
    answers = {"k": {"action": "accept", "content": {"p": "hunter2"}}}
    call = an_ending_call(
        "c1",
        method="tasks/update",
        tool=method_tool("shop", "tasks/update"),
        arguments={"taskId": "t", "inputResponses": answers},
    )

    found = arguments_of(call, Keeping())

    assert found.content == {"taskId": "t", "inputResponses": {"k": "***"}}
    assert found.masked == ("inputResponses.*",)


def test_a_result_is_kept_without_being_read() -> None:
    body = b'{"content":[{"type":"text","text":"\\u0061"}],"n":1.0}'
    found = result_of(Reply(body=body), "shop", Keeping())

    assert found is not None
    assert isinstance(found.content, msgspec.Raw)
    assert bytes(found.content) == body


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b'{\r\n "a" : 1\n}', {"a": 1}),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'),
        (b'{\n"a":', '{\n"a":'),
        ('{"a":"ä\u2028"}'.encode(), {"a": "ä\u2028"}),
    ],
)
def test_a_result_that_would_break_its_line_is_written_anew(body: bytes, content: Any) -> None:
    found = result_of(Reply(body=body), "shop", Keeping())

    assert found is not None
    line = msgspec.json.encode(found.content)
    assert b"\n" not in line
    assert msgspec.json.decode(line) == content


def test_masked_paths_are_looked_for_in_structured_content() -> None:
    result = {
        "content": [],
        "structuredContent": {"card": {"number": "4111", "name": "ada"}, "k": {"secret": 1}},
    }

    assert kept(result) == (
        {
            "content": [],
            "structuredContent": {"card": {"number": "***", "name": "ada"}, "k": {"secret": "***"}},
        },
        ("card.number", "*.secret"),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"card":{"number":4111}}', '{"card":{"number":"***"}}'),
        (' [{"secret":"s"}]', '[{"secret":"***"}]'),
        (
            '{"inner":"{\\"card\\":{\\"number\\":1}}"}',
            '{"inner":"{\\"card\\":{\\"number\\":\\"***\\"}}"}',
        ),
    ],
)
def test_masked_paths_are_looked_for_in_texts_that_are_json(before: str, after: str) -> None:
    assert kept(text(before))[0] == text(after)
    read = {"contents": [{"uri": "a://b", "text": before}]}
    assert kept(read)[0] == {"contents": [{"uri": "a://b", "text": after}]}


@pytest.mark.parametrize(
    "said", ["card.number is 4111", '{"card":{"number":', "[1, 2", '{"card": 1}', "", "{}"]
)
def test_other_texts_stay_as_they_are(said: str) -> None:
    assert kept(text(said)) == (text(said), ())


def test_masked_paths_are_looked_for_in_the_data_of_an_error() -> None:
    error = {"code": -32000, "message": "no", "data": {"card": {"number": "4111"}}}

    content, masked = kept(error, is_error=True)

    assert content["data"] == {"card": {"number": "***"}}
    assert masked == ("card.number",)


def test_what_holds_nothing_masked_is_kept_to_the_byte() -> None:
    body = b'{"content":[], "n":1.50}'
    found = result_of(Reply(body=body), "shop", KEEPING)

    assert found is not None
    assert bytes(found.content) == body


def test_a_result_that_cannot_be_read_is_kept_as_text() -> None:
    assert kept(b'{"a":"\xff"}') == ('{"a":"\ufffd"}', ())


def test_results_are_left_out_where_their_digest_is_to_do() -> None:
    def keeps(target: str, has_results: bool) -> bool:
        keeping = Keeping(has_results=has_results, exceptions=frozenset({"shop"}))
        return result_of(Reply(body=b"{}"), target, keeping) is not None

    assert [keeps(*one) for one in (("shop", True), ("git", True))] == [False, True]
    assert [keeps(*one) for one in (("shop", False), ("git", False))] == [True, False]


@pytest.mark.parametrize(
    "written",
    [
        b'{"content":[{"type":"text","text":"your key is hunter2!!"}]}',
        b'{"content":[{"type":"text","text":"your key is \\u0068unter2!!"}]}',
        b'{"content":[{"type":"text","text":"{\\"key\\":\\"hunter2!!\\"}"}]}',
        b'{"structuredContent":{"k":["hunter2!!"]}}',
        b'{"a":"hunter2!!\xff"}',
    ],
)
def test_a_result_does_not_repeat_masked_arguments(written: bytes) -> None:
    keeping = Keeping(masks=Masks.parse(("key",)))
    secrets = secrets_of(an_ending_call("c1", arguments={"key": "hunter2!!"}), keeping)
    found = result_of(Reply(body=written), "shop", keeping, secrets)

    assert found is not None
    assert b"hunter2" not in msgspec.json.encode(found.content)
    assert "hunter2" not in str(msgspec.json.decode(msgspec.json.encode(found.content)))


def test_short_values_are_no_secrets_and_nothing_is_where_nothing_is_masked() -> None:
    call = an_ending_call("c1", arguments={"a": "short", "b": True, "c": [12, 1234567]})

    assert secrets_of(call, Keeping(masks=Masks.parse(("a", "b", "c")))).texts == ("1234567",)
    assert secrets_of(call, Keeping()).texts == ()


def test_a_result_without_them_is_not_read() -> None:
    keeping = Keeping(masks=Masks.parse(("key",)))
    secrets = secrets_of(an_ending_call("c1", arguments={"key": "hunter2!!"}), keeping)
    found = result_of(Reply(body=b'{"a": 1.50}'), "shop", keeping, secrets)

    assert found is not None
    assert isinstance(found.content, msgspec.Raw)
