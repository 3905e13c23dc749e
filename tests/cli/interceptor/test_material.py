"""A call is put together of what is recorded or written, and what is missing is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from callgate.audit import telling
from callgate.audit.definitions import tool_defined
from callgate.audit.keeping import Keeping
from callgate.audit.principals import describe
from callgate.audit.record import Entry
from callgate.cli.interceptor.material import Given, of_file, of_record
from callgate.cli.policy.grounds import CannotSay
from callgate.model import Outcome, Reply
from callgate.protocol.definitions import read_tool
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from callgate.testing import a_tool
from fakes.calls import a_call, a_principal
from fakes.store import an_ending_call
from fakes.writing import write


def stored(path: Path, *outcomes: Outcome, before: Sequence[Entry] = ()) -> Records:
    store = StoreSettings(path=path / "r.db")
    write(store, *before, *(telling.outcome(one, 2.0, Keeping()) for one in outcomes))
    return Records(store)


def test_a_file_says_a_whole_call(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    said: dict[str, Any] = {
        "tool": "shop___resources/read",
        "arguments": {"uri": "a://b"},
        "principal": {"id": "eve", "groups": ["ops"], "agent": "helper", "claims": {"a": 1}},
        "headers": {"X-Team": "blue"},
        "meta": {"m": 1},
        "labels": ["pii"],
        "enriched": {"geo": {"country": "de"}},
        "run": "s1",
    }
    file.write_text(json.dumps(said))

    call = of_file(file, Given(headers=(("X-More", "1"),), facts={"risk": {"score": 1}})).call

    assert (call.method, call.tool) == ("resources/read", a_tool("shop___resources/read"))
    assert call.principal is not None and call.principal.groups == ("ops",)
    assert call.headers == {"x-team": "blue", "x-more": "1"}
    assert call.enriched == {"geo": {"country": "de"}, "risk": {"score": 1}}
    assert (call.labels, call.session_id, call.meta) == (("pii",), "s1", {"m": 1})


def test_a_recorded_call_is_of_the_principal_and_tool_that_it_was_of(tmp_path: Path) -> None:
    principal = a_principal("ada", "ops", agent="helper", tenant="t")
    call = an_ending_call("c1", principal=principal, session_id="s1")
    store = stored(tmp_path, Outcome(call=call, refusal_code="x"))

    made = of_record(store, "c1", Given(claims={"role": "lead"}))

    found = made.call
    assert found.principal == a_principal(
        "ada", "ops", agent="helper", tenant="t", claims={"role": "lead"}
    )
    assert found.tool is not None and found.tool.qualified_name == "shop___refund"
    assert (found.arguments, found.session_id) == ({"customer": "c1", "amount": 5}, "s1")
    assert made.notes == ()


def test_claims_facts_tool_and_result_are_those_of_the_record(tmp_path: Path) -> None:
    principal = a_principal("ada", claims={"role": "lead", "jti": "t1"})
    tool = read_tool("shop", {"name": "refund", "inputSchema": {"type": "object"}})
    call = an_ending_call(
        "c1",
        principal=principal,
        tool=tool,
        enriched={"geo": {"country": "de"}},
        reply=Reply(body=b'{"content":[1]}'),
        is_answered=True,
    )
    before = (describe(principal).entry(1.0), tool_defined(tool, 1.0))
    records = stored(tmp_path, Outcome(call=call), before=before)

    made = of_record(records, "c1", Given(facts={"geo": {"city": "x"}, "risk": {"score": 1}}))

    assert (made.call.principal, made.call.tool, made.knows_tool) == (principal, tool, True)
    assert made.call.enriched == {"geo": {"country": "de", "city": "x"}, "risk": {"score": 1}}
    assert made.call.reply == Reply(body=b'{"content":[1]}')


def test_a_tool_is_known_where_a_snapshot_has_it(tmp_path: Path) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps({"shop": [{"name": "refund", "description": "Pays back."}]}))
    store = stored(tmp_path, Outcome(call=an_ending_call("c1")))

    made = of_record(store, "c1", Given(tools=tools))

    assert made.knows_tool
    assert made.call.tool is not None
    assert made.call.tool.definition["description"] == "Pays back."


@pytest.mark.parametrize(
    ("result", "reply"),
    [
        ({"content": []}, Reply(body=b'{"content":[]}')),
        (
            {"error": {"code": 1, "message": "x"}},
            Reply(body=b'{"code":1,"message":"x"}', is_error=True),
        ),
    ],
)
def test_a_result_is_one_or_an_error(tmp_path: Path, result: Any, reply: Reply) -> None:
    for name, value in (("q.json", {"tool": "a___b"}), ("r.json", result)):
        (tmp_path / name).write_text(json.dumps(value))

    made = of_file(tmp_path / "q.json", Given(result=tmp_path / "r.json"))

    assert made.call.reply == reply


def test_lists_and_calls_of_no_tool_cannot_be_tried_on(tmp_path: Path) -> None:
    listing = a_call(id="list", method="tools/list", requested_name="tools/list", route="shop",
                     principal=a_principal())  # fmt: skip
    lost = a_call(id="lost", requested_name="x", principal=a_principal())
    store = stored(
        tmp_path,
        Outcome(call=listing),
        Outcome(call=lost, refusal_code="unknown_tool"),
    )

    for start, words in (("list", "is a list"), ("lost", "did not get so far as a tool")):
        with pytest.raises(CannotSay, match=words):
            of_record(store, start, Given())
