"""Values are redacted by the rules, nothing is left, nothing else changes."""

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from callgate.interceptors.redacting.marks import Marks
from callgate.interceptors.redacting.redaction import Redacted, Redaction, Situation
from callgate.interceptors.redacting.scanner import Scanner
from callgate.interceptors.redacting.settings import FIELD, RedactSettings
from callgate.interceptors.redacting.vault import Vault
from callgate.model import Json
from callgate.protocol.jsonrpc import encode
from fakes.clock import FakeClock
from fakes.sensitive import ENCODINGS, FURTHER, benign, secrets

EMAIL, CARD = "ada@example.org", "4111111111111111"
TO_AGENT = Situation(tool="crm___find", principal="ada")
TO_TARGET = Situation(tool="crm___find", principal="ada", is_toward_agent=False)


def a_redaction(**settings: Any) -> Redaction:
    made, clock = RedactSettings.model_validate(settings), FakeClock()
    marks = Marks({*made.kinds, FIELD}, b"k" * 32, Vault(made.tokens, clock))
    return Redaction(made, Scanner(made, clock), marks)


EVERY = a_redaction()


def redacted(value: Json, of: Redaction = EVERY, situation: Situation = TO_AGENT) -> Redacted:
    return of.of(value, encode(value), situation)


def shown(value: Json, **settings: Any) -> Json:
    return redacted(value, a_redaction(**settings)).value


def test_strings_keys_and_numbers_are_masked_wherever_they_stand() -> None:
    value = {"a": f"mail {EMAIL}!", "b": [int(CARD), {EMAIL: 12}], "c": True}

    found = redacted(value)

    assert found.value == {
        "a": "mail [redacted:email]!",
        "b": ["[redacted:card]", {"[redacted:email]": 12}],
        "c": True,
    }
    assert found.found == {"email": 2, "card": 1}


def test_two_keys_that_are_masked_stay_two() -> None:
    assert redacted({EMAIL: 1, "bob@example.org": 2}).value == {
        "[redacted:email]": 1,
        "[redacted:email]-2": 2,
    }


def test_json_in_a_string_stays_json_in_its_own_manner() -> None:
    inner = {"n": int(CARD), "to": [EMAIL], "ok": "ok"}

    for dump in (json.dumps(inner), json.dumps(inner, indent=2)):
        text = redacted({"content": [{"type": "text", "text": dump}]}).value["content"][0]["text"]

        assert text == dump.replace(EMAIL, "[redacted:email]").replace(CARD, '"[redacted:card]"')
        assert json.loads(text)["to"] == ["[redacted:email]"]


def test_text_in_a_blob_is_redacted_within_it_and_other_blobs_are_left() -> None:
    def read(data: bytes) -> Json:
        return {"contents": [{"uri": "x://y", "blob": base64.b64encode(data).decode()}]}

    found = redacted(read(f"to: {EMAIL}, ok".encode())).value["contents"][0]["blob"]

    assert base64.b64decode(found) == b"to: [redacted:email], ok"
    picture = read(bytes(range(256)) * 20)
    assert redacted(picture).value is picture


def test_a_clean_value_is_itself() -> None:
    for value in benign().values():
        assert redacted(value).value is value


def test_a_find_over_several_items_is_taken_out_of_each() -> None:
    secret = secrets()["github token"][0]

    found = redacted([secret[:9], secret[9:20], secret[20:], "- next"])

    assert found.value == ["[redacted:key]", "[redacted:key]", "[redacted:key]", "- next"]


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("mask", {"a": "[redacted:email]", "b": 1}),
        ("drop", {"b": 1}),
        ("leave", {"a": EMAIL, "b": 1}),
        ("refuse", {"a": EMAIL, "b": 1}),
    ],
)
def test_each_mode_does_what_it_says(mode: str, value: Json) -> None:
    found = redacted({"a": EMAIL, "b": 1}, a_redaction(mode=mode))

    assert found.value == value
    assert found.refused == ({"email": 1} if mode == "refuse" else {})


def test_a_digest_tells_that_two_are_the_same() -> None:
    one, two, other = shown([EMAIL, f"<{EMAIL}>", "bob@example.org"], mode="hash")

    assert one.startswith("[hashed:email:") and two == f"<{one}>"
    assert other != one


def test_the_first_rule_that_fits_decides() -> None:
    rules = [
        {"kinds": ["email"], "paths": ["from"], "mode": "leave"},
        {"kinds": ["card"], "tools": ["crm___pay"], "mode": "leave"},
        {"kinds": ["card"], "mode": "drop"},
        {"paths": ["$..salary"], "mode": "mask"},
        {"paths": ["$..notes"], "mode": "drop"},
    ]
    value = {"from": EMAIL, "to": EMAIL, "pay": [CARD, "x"], "of": {"salary": 12, "notes": {}}}

    assert shown(value, rules=rules) == {
        "from": EMAIL,
        "to": "[redacted:email]",
        "pay": ["x"],
        "of": {"salary": "[redacted:field]"},
    }


def test_paths_go_on_into_strings_that_hold_json() -> None:
    rules = [
        {"paths": ["content[*].text.customer.name"], "mode": "mask"},
        {"kinds": ["email"], "paths": ["content.*.text.customer.mail"], "mode": "leave"},
    ]
    text = json.dumps({"customer": {"name": "Ada", "mail": EMAIL}, "mail": EMAIL})

    found = shown({"content": [{"type": "text", "text": text}]}, rules=rules)

    assert json.loads(found["content"][0]["text"]) == {
        "customer": {"name": "[redacted:field]", "mail": EMAIL},
        "mail": "[redacted:email]",
    }


def test_a_block_that_needs_its_text_is_dropped_whole() -> None:
    text = {"type": "text", "text": EMAIL}
    other = {"type": "text", "text": "ok"}

    assert shown({"content": [text, other]}, mode="drop") == {"content": [other]}
    assert shown(
        {"content": [{"type": "text", "text": json.dumps({"a": EMAIL})}]}, mode="drop"
    ) == {"content": [{"type": "text", "text": "{}"}]}


def test_a_secret_that_overlaps_what_is_left_alone_is_not_left() -> None:
    url = "postgres://shop:" + "Xk7" + "qP2mZ9w@db.example.org/x"

    assert "qP2mZ9w" not in shown([url], rules=[{"kinds": ["email"], "mode": "leave"}])[0]


def test_tokens_are_for_the_agent_and_what_it_sends_itself_goes_on() -> None:
    it = a_redaction(mode="tokenise")

    token = redacted([EMAIL, int(CARD)], it).value

    assert token[0].startswith("[token:email:") and token[1].startswith("[token:card:")
    assert redacted([EMAIL, int(CARD)], it).value == token
    assert redacted([EMAIL], it, TO_TARGET).value == [EMAIL]


def test_what_holds_our_own_marks_is_left_as_it_is() -> None:
    value = {
        "password": "[redacted:key]",
        "a": "[redacted:email]",
        "b": "[hashed:card:" + "0" * 16 + "]",
    }

    assert redacted(value).value is value


def test_a_mark_made_by_somebody_else_hides_nothing() -> None:
    secret = secrets()["npm token"][0]

    assert secret not in str(redacted([f"[redacted:{secret}]", f"[token:key:{secret}]"]).value)


def test_what_cannot_be_seen_through_is_redacted() -> None:
    bomb = base64.b64encode(gzip.compress(b"0" * 10_000_000)).decode()

    assert redacted({"a": f"see {bomb}"}).value == {"a": "see [redacted:opaque]"}


def test_own_patterns_are_anchored_to_each_string_also_in_json_in_strings() -> None:
    it = {"patterns": {"ticket": r"^T-\d+$"}, "find": []}

    assert shown(["T-12", "xT-12", json.dumps(["T-12"])], **it) == [
        "[redacted:ticket]",
        "xT-12",
        json.dumps(["[redacted:ticket]"]),
    ]


WORDS = st.text("abcdefghij -.", max_size=12)
PLAIN = st.recursive(
    WORDS | st.integers(-999, 999) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
WAYS = {**ENCODINGS, **FURTHER}
PLANTED = [secrets(5)[kind][0] for kind in ("github token", "aws access key id", "npm token")]


@st.composite
def planted(draw: Any) -> tuple[Json, Json, str]:
    """A value with a secret in some encoding in it, the encoded secret, and the secret."""
    secret = draw(st.sampled_from(PLANTED))
    encoded = WAYS[draw(st.sampled_from(sorted(WAYS)))](secret)
    hidden: Json = encoded
    if isinstance(encoded, str) and draw(st.booleans()):
        hidden = f"{draw(WORDS)} {encoded} {draw(WORDS)}"
    for _ in range(draw(st.integers(0, 3))):
        way = draw(st.sampled_from(["list", "dict", "json"]))
        if way == "list":
            hidden = [draw(PLAIN), hidden, draw(PLAIN)]
        elif way == "dict":
            hidden = {"before": draw(PLAIN), "at": hidden}
        elif not isinstance(hidden, str):
            hidden = json.dumps(hidden)
    return {"result": hidden}, encoded, secret


@given_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(planted())
def test_no_planted_secret_is_left_in_any_form_and_a_second_look_changes_nothing(
    plant: tuple[Json, Json, str],
) -> None:
    value, encoded, secret = plant

    first = redacted(value)

    assert first.found
    text = json.dumps(first.value, ensure_ascii=False)
    assert secret not in text
    for part in encoded if isinstance(encoded, list) else [encoded]:
        if isinstance(part, str):
            assert json.dumps(part, ensure_ascii=False)[1:-1] not in text
    assert redacted(first.value).value is first.value
    assert json.loads(encode(first.value)) == first.value


def parts(value: Json, way: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Json]:
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in parts(item, (*way, key)).items()}
    if isinstance(value, list):
        return {k: v for n, item in enumerate(value) for k, v in parts(item, (*way, n)).items()}
    return {way: value}


@given_settings(max_examples=150, deadline=None)
@given(PLAIN, WORDS, WORDS, PLAIN)
def test_nothing_else_changes(before: Json, left: str, right: str, after: Json) -> None:
    value = {"a": before, "b": f"{left} <{EMAIL}> {right}", "c": [after, int(CARD)]}

    found = parts(redacted(value).value)

    assert found == {
        **parts(value),
        ("b",): f"{left} <[redacted:email]> {right}",
        ("c", 1): "[redacted:card]",
    }
