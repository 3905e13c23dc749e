"""What the redactor does with arguments, results, errors and messages, and when it may skip."""

import asyncio
import base64
import gzip
import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.redact import INLINE_BYTES, Redactor, RedactSettings
from callgate.model import Json
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Decision, Message, Request, Result
from fakes.calls import a_principal, a_tool
from fakes.clock import FakeClock
from fakes.sensitive import ENCODINGS, secrets

EMAIL, CARD = "ada@example.org", "4111111111111111"
KEYS = [
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "x" * 30,
    "xoxb-123456789012-abcdef",
    "sk_live_" + "4" * 24,
    "sk-" + "Q" * 40,
    "glpat-" + "z" * 20,
    "cgk_" + "K" * 43,
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIE cut off",
]
CASES = [("email", "a.b+c@mail.example.co.uk"), ("card", "5500-0000-0000-0004")] + [
    ("key", key) for key in KEYS
]
INNOCENT = ["no secrets here", "4111111111111112", "user at example", "2026-11-22", "a@b", "12345"]


def redactor(directory: Path = Path(), clock: FakeClock | None = None, **settings: Any) -> Redactor:
    return Redactor(RedactSettings.model_validate(settings), directory, clock or FakeClock())


EVERY = redactor()


def asked(it: Redactor, arguments: Any, who: str = "ada", **more: Any) -> Decision | None:
    view = Request(
        call_id="c",
        principal=a_principal(who),
        tool=more.pop("tool", a_tool()),
        arguments=arguments,
        **more,
    )
    return asyncio.run(it.on_request(view))


def answered(it: Redactor, result: Any, who: str = "ada", **more: Any) -> Decision | None:
    view = Result(
        call_id="c", principal=a_principal(who), tool=more.pop("tool", a_tool()), result=result
    )
    return asyncio.run(it.on_result(view))


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_a_secret_is_found_wherever_it_stands(kind: str, text: str) -> None:
    value = {"a": f"before {text} after", "b": [{"c": text}], text: 1}
    if "cut off" in text:
        value = {"a": text}

    redacted = EVERY.redact(value)

    assert text not in str(redacted.value)
    assert redacted.found[kind] == (1 if "cut off" in text else 3)


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_text_stays_as_it_is(text: str) -> None:
    value = {"a": text}

    assert EVERY.redact(value).value is value


def test_a_card_number_that_is_a_json_number_is_found_too() -> None:
    value = {"card": 4111111111111111, "count": 12345, "on": True, "x": None}

    assert EVERY.redact(value).value == {**value, "card": "[redacted:card]"}


def test_only_the_chosen_kinds_are_looked_for_and_exceptions_are_kept() -> None:
    some = redactor(find=["email"], keep=["help@example.org"])

    redacted = some.redact("help@example.org bob@example.org 4111111111111111")

    assert redacted.value == "help@example.org [redacted:email] 4111111111111111"
    assert redacted.found == {"email": 1}


def test_arguments_results_errors_and_messages_are_changed_with_a_note_of_what_was_found() -> None:
    params = {"level": "info", "data": f"sent to {EMAIL}"}
    message = Message(
        call_id="c",
        principal=a_principal(),
        tool=a_tool(),
        method="notifications/message",
        params=params,
    )

    assert asked(EVERY, {"to": EMAIL}) == Decision(
        arguments={"to": "[redacted:email]"}, note="1 email"
    )
    assert answered(EVERY, {"content": [EMAIL, CARD]}) == Decision(
        result={"content": ["[redacted:email]", "[redacted:card]"]}, note="1 card, 1 email"
    )
    assert answered(EVERY, {"error": {"code": -1, "message": f"no {EMAIL}"}}) == Decision(
        result={"error": {"code": -1, "message": "no [redacted:email]"}}, note="1 email"
    )
    assert asyncio.run(EVERY.on_message(message)) == Decision(
        params={"level": "info", "data": "sent to [redacted:email]"}, note="1 email"
    )
    assert params["data"] == f"sent to {EMAIL}"  # nothing is changed in place
    assert answered(EVERY, {"content": []}) is None


def test_what_may_not_be_passed_on_is_refused_without_saying_what_it_was() -> None:
    it = redactor(rules=[{"kinds": ["card"], "mode": "refuse"}])
    message = Message(call_id="c", principal=a_principal(), tool=a_tool(), params={"data": CARD})

    request, result = asked(it, {"a": CARD}), answered(it, {"a": CARD})
    dropped = asyncio.run(it.on_message(message))

    assert request is not None and request.refuse is not None and "card" in request.refuse
    assert result is not None and result.withhold is not None and dropped is not None
    assert dropped.withhold is not None
    assert CARD not in f"{request}{result}{dropped}"


def test_a_token_is_restored_on_the_way_back_for_its_principal_only() -> None:
    it = redactor(mode="tokenise")
    result = answered(it, {"customer": {"mail": EMAIL, "card": int(CARD)}})
    assert result is not None and result.result is not None
    given_out = result.result["customer"]

    back = asked(it, {"to": f"Ada <{given_out['mail']}>", "card": given_out["card"]})

    assert back == Decision(
        arguments={"to": f"Ada <{EMAIL}>", "card": int(CARD)}, note="2 restored"
    )
    assert asked(it, {"to": given_out["mail"]}, who="bob") is None
    assert answered(it, {"to": given_out["mail"]}) is None  # results are never restored


def test_a_token_is_gone_with_its_time() -> None:
    clock = FakeClock()
    it = redactor(clock=clock, mode="tokenise", tokens={"seconds": 60})
    result = answered(it, {"mail": EMAIL})
    assert result is not None and result.result is not None

    clock.advance(61)

    assert asked(it, result.result) is None


def test_a_question_of_a_target_goes_to_the_agent_and_its_answer_to_the_target() -> None:
    it = redactor(mode="tokenise")
    asking = a_tool(name="elicitation/create")
    asking = msgspec.structs.replace(asking, method="elicitation/create")
    assert METHODS[asking.method].is_asked_by_target

    question = asked(it, {"message": f"Send it to {EMAIL}?"}, tool=asking)
    assert question is not None and question.arguments is not None
    token = question.arguments["message"].removeprefix("Send it to ").removesuffix("?")
    answer = answered(it, {"action": "accept", "content": {"to": token}}, tool=asking)

    assert token.startswith("[token:email:")
    assert answer is not None and answer.result is not None
    assert answer.result["content"] == {"to": EMAIL}


def test_a_digest_is_the_same_after_a_restart_and_another_for_another_gateway(
    tmp_path: Path,
) -> None:
    one, again = redactor(tmp_path, mode="hash"), redactor(tmp_path, mode="hash")
    other = redactor(tmp_path / "other", mode="hash")
    set_ = redactor(tmp_path, mode="hash", key="k" * 16)

    digests = [it.redact(EMAIL).value for it in (one, again, other, set_)]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert (tmp_path / ".callgate" / "redact.key").stat().st_mode & 0o077 == 0


def test_a_key_that_cannot_be_used_is_an_error_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / ".callgate").mkdir()
    (tmp_path / ".callgate" / "redact.key").write_bytes(b"short")

    with pytest.raises(InterceptorError, match="holds no key of ours; remove it, or set `key`"):
        redactor(tmp_path, mode="hash")


def test_large_values_are_looked_at_in_a_thread() -> None:
    large = {"content": ["x " * INLINE_BYTES, EMAIL]}
    threads: list[int] = []
    it = redactor()
    find = it._redaction._scanner.find

    def noting(text: str) -> Any:
        threads.append(threading.get_ident())
        return find(text)

    it._redaction._scanner.find = noting  # type: ignore[method-assign]
    result = answered(it, large)
    answered(it, {"content": [EMAIL]})

    assert result is not None and result.note == "1 email"
    assert threads[0] != threading.get_ident() and threads[-1] == threading.get_ident()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(TEXT, st.sampled_from([text for _, text in CASES]), TEXT, st.booleans())
def test_a_result_that_is_skipped_holds_nothing_to_redact(
    before: str, secret: str, after: str, is_plain: bool
) -> None:
    value = {"content": [{"type": "text", "text": before + ("" if is_plain else secret) + after}]}

    if EVERY.may_skip(msgspec.json.encode(value)):
        assert is_plain
        assert EVERY.redact(value).value is value


@given(st.sampled_from(sorted(ENCODINGS)), st.sampled_from([EMAIL, CARD, KEYS[0]]), TEXT)
def test_no_encoding_of_a_secret_is_skipped(name: str, secret: str, after: str) -> None:
    value = {"a": [ENCODINGS[name](secret)], "b": after}

    assert not EVERY.may_skip(msgspec.json.encode(value))
    assert not EVERY.may_skip(json.dumps(value, indent=2).encode())


def test_what_is_plain_is_skipped_unless_every_string_must_be_read() -> None:
    body = b'{"content":[{"type":"text","text":"nothing"}]}'

    assert EVERY.may_skip(body)
    assert not redactor(patterns={"x": "^y"}).may_skip(body)
    assert not redactor(rules=[{"paths": ["a"], "mode": "drop"}]).may_skip(body)


# A11: unicode.


@pytest.mark.parametrize(
    "text",
    [
        "ada\u200b@exam\u2060ple.org",  # zero-width
        "ａｄａ＠ｅｘａｍｐｌｅ．ｏｒｇ",  # full-width
        "".join(chr(0xE0000 + ord(c)) for c in EMAIL),  # tag characters
        "аda@example.org",  # the first letter is Cyrillic
        "\u202eada@example.org\u202c",  # right to left
        "a\ufe0fda@example.org",  # a variation selector
    ],
)
def test_unicode_hides_no_address(text: str) -> None:
    decision = asked(EVERY, {"note": f"to {text} now"})

    assert decision is not None and decision.arguments is not None
    left = decision.arguments["note"].replace("\u202e", "").replace("\u202c", "")
    assert left == "to [redacted:email] now"


# A17: exfiltration by encoding.


@pytest.mark.parametrize("name", ENCODINGS)
def test_no_encoding_carries_a_secret_out(name: str) -> None:
    secret = secrets(9)["github token"][0]
    encoded = ENCODINGS[name](secret)

    decision = asked(EVERY, {"body": encoded})

    assert decision is not None and decision.arguments is not None
    assert json.dumps(encoded)[1:-1] not in json.dumps(decision.arguments)


def test_nor_does_packing_or_nesting() -> None:
    secret = secrets(9)["npm token"][0]
    packed = base64.b64encode(gzip.compress(json.dumps({"a": {"b": secret}}).encode())).decode()
    nested = json.dumps({"x": json.dumps({"y": json.dumps([secret])})})

    decision = asked(EVERY, {"files": {f"{packed}.txt": nested}, "parts": list(secret)})

    assert decision is not None and decision.arguments is not None
    text = json.dumps(decision.arguments)
    assert packed not in text and secret not in text
    assert "".join(decision.arguments["parts"]).count("[redacted:key]") >= 1
    assert json.loads(json.loads(decision.arguments["files"]["[redacted:key].txt"])["x"])["y"] == (
        '["[redacted:key]"]'
    )


def test_a_bomb_cannot_be_used_to_hide_one() -> None:
    bomb = base64.b64encode(gzip.compress(b" " * 50_000_000 + EMAIL.encode())).decode()

    decision = asked(EVERY, {"body": bomb})

    assert decision is not None and decision.arguments == {"body": "[redacted:opaque]"}


# The masking scenario of AWS's samples, of its documented behaviour: an interceptor of responses
# anonymises what it finds in the text of tool results and leaves everything else as it was.


def test_personal_data_in_a_customer_record_is_masked_in_the_response() -> None:
    record = {
        "customerId": "CUST-001",
        "name": "John Smith",
        "email": "john.smith@example.com",
        "phone": "+1-555-123-4567",
        "ssn": "123-45-6789",
        "creditCard": "4532-0151-1283-0366",
        "status": "active",
    }
    result = {
        "isError": False,
        "content": [{"type": "text", "text": json.dumps(record)}],
    }
    it = redactor(
        find=["email", "phone", "card", "national_id", "key"],
        rules=[{"paths": ["content[*].text.name"], "mode": "mask"}],
    )

    decision = answered(it, result)

    assert decision is not None and decision.result is not None
    (block,) = decision.result["content"]
    assert json.loads(block["text"]) == {
        "customerId": "CUST-001",
        "name": "[redacted:field]",
        "email": "[redacted:email]",
        "phone": "[redacted:phone]",
        "ssn": "[redacted:national_id]",
        "creditCard": "[redacted:card]",
        "status": "active",
    }
    assert {key: decision.result[key] for key in decision.result if key != "content"} == {
        "isError": False
    }
    tools = {"tools": [{"name": "x", "description": "Finds a customer by e-mail."}]}
    assert answered(it, tools) is None


# SEP-2624's behaviours of redaction: a mutation in the phase of the response changes the payload
# and says so; a clean payload is not modified; what one session was shown is of no use in another;
# what one server said does not reach another as it was.


def test_a_clean_payload_is_not_modified_and_a_dirty_one_says_so() -> None:
    payload: Json = {"content": [{"type": "text", "text": "all clear"}]}

    assert answered(EVERY, payload) is None
    changed = answered(EVERY, {"content": [{"type": "text", "text": f"{EMAIL} {CARD}"}]})
    assert changed is not None and changed.note == "1 card, 1 email"


def test_redaction_twice_is_redaction_once() -> None:
    first = answered(EVERY, {"a": [EMAIL, {"password": "sunshine-42"}]})

    assert first is not None and first.result is not None
    assert answered(EVERY, first.result) is None


def test_what_one_session_was_shown_is_of_no_use_in_another() -> None:
    it = redactor(mode="tokenise")
    shown = answered(it, {"mail": EMAIL}, who="ada")
    same = answered(it, {"mail": EMAIL}, who="bob")

    assert shown is not None and same is not None and shown.result is not None
    assert shown.result != same.result
    assert asked(it, shown.result, who="bob") is None


def test_what_one_server_said_does_not_reach_another_as_it_was() -> None:
    secret = secrets(9)["openai key"][0]
    read = answered(EVERY, {"content": [{"type": "text", "text": f"key={secret}"}]})
    assert read is not None and read.result is not None
    relayed = read.result["content"][0]["text"]

    assert secret not in relayed
    sent = asked(EVERY, {"body": base64.b64encode(secret.encode()).decode(), "note": relayed})
    assert sent is not None and sent.arguments == {"body": "[redacted:key]", "note": relayed}
