"""One interceptor is tried on one call, and what it wants is shown as it would be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callgate.audit import telling
from callgate.audit.keeping import Keeping
from callgate.audit.masks import Masks
from callgate.cli.interceptor import interceptor
from callgate.model import Change, Outcome, Reply
from callgate.protocol.methods import method_tool
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal
from fakes.store import an_ending_call
from fakes.writing import write

HOOKS = """
from callgate.interceptors import Decision, Result


def cap(request):
    if request.arguments.get("amount", 0) > 100:
        return Decision(refuse="Ask a lead.", note="too much")
    if request.arguments.get("amount", 0) > 50:
        return Decision(arguments={**request.arguments, "amount": 50}, labels=("capped",))
    return None


def hide(result):
    if "secret" in str(result.result):
        return Decision(withhold="It holds a secret.")
    text = [{**one, "text": one["text"].upper()} for one in result.result["content"]]
    return Decision(result={**result.result, "content": text})


def facts(request):
    return Decision(enrich={"days": 3}, headers={"X-Team": request.headers.get("x-team", "none")})


def answer(request):
    return Decision(answer={"content": [{"type": "text", "text": "cached"}]})


def approve(request):
    return Decision(approve="Let a person look.")


def shows(request):
    return Decision(note=f"{request.principal.claims} {request.enriched} {request.run}")


def fails(request):
    raise RuntimeError("no such table")


def junk(request):
    return {"refuse": "No."}


def quiet(message):
    data = message.params.get("data", "")
    if "secret" in data:
        return Decision(withhold="Nobody needs that.")
    return Decision(params={**message.params, "data": data.lower()}, labels=("told",))


def trim(listed):
    if len(listed.items) > 3:
        return Decision(withhold="Too many.")
    kept = [one for one in listed.items if "delete" not in str(one)]
    for one in kept:
        one["description"] = "Ours."
    return Decision(items=kept, note=" ".join(listed.targets))


def adds(listed):
    return Decision(items=[*listed.items, {"name": "shop___more"}])


def ask_nothing(request):
    if request.tool.method == "elicitation/create" and "password" in request.arguments["message"]:
        return Decision(refuse="Nobody asks for passwords.")
    return None
"""
CONFIG = """
targets: {shop: {python: x}, desk: {python: x}}
interceptors:
  - {name: cap, python: "hooks_tried:cap", tools: [shop___refund]}
  - {name: hide, python: "hooks_tried:hide", on: [result], mode: observe}
  - {name: elsewhere, python: "hooks_tried:cap", targets: [desk], headers: [x-team]}
  - name: never
    python: hooks_tried:cap
    when: principal == Callgate::OAuthUser::"eve"
  - {name: lenient, python: "hooks_tried:fails", on_failure: allow}
  - {name: clean, redact: {}}
  - {name: quiet, python: "hooks_tried:quiet", on: [message], tools: [shop___refund]}
  - {name: trim, python: "hooks_tried:trim", on: [list, message], targets: [shop]}
  - {name: strict, python: "hooks_tried:fails", on: [message, list]}
store: {path: r.db}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hooks_tried.py").write_text(HOOKS)
    (tmp_path / "callgate.yaml").write_text(CONFIG)


def recorded(masks: Masks | None = None, **more: Any) -> None:
    """A call `c1` of the shop, in the store of the configuration."""
    keeping = Keeping(masks=masks or Masks())
    call = an_ending_call("c1", **more)
    ended = Outcome(call=call, is_delivered=True)
    entries = (telling.intent(call, 1.0, keeping), telling.outcome(ended, 2.0, keeping))
    write(StoreSettings(path=Path("r.db")), *entries)


def file(name: str, value: Any) -> str:
    Path(name).write_text(json.dumps(value))
    return name


def run(*words: str) -> Result:
    return CliRunner().invoke(interceptor, ["run", *words])


def asked(function: str, request: dict[str, Any] | None = None, *words: str) -> Result:
    """A function of the file, about a refund."""
    whole = {"tool": "shop___refund", "arguments": {"amount": 60, "customer": "c"}}
    path = file("request.json", {**whole, **(request or {})})
    return run(f"hooks_tried.py:{function}", "--request", path, *words)


def test_a_recorded_call_is_tried_and_the_change_shown() -> None:
    recorded(arguments={"amount": 60, "customer": "c"})

    result = run("cap", "--call", "c1")

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:-1] == [
        "cap (python) on the request of shop___refund by ada",
        "  changes:",
        "    replace /amount  60 -> 50",
        "  labels: capped",
    ]
    assert lines[-1].startswith("  took ") and lines[-1].endswith(" ms")


def test_a_refusal_is_shown_with_its_sentence() -> None:
    result = asked("cap", {"arguments": {"amount": 200}})

    assert result.exit_code == 1
    assert "  refuses the call: Ask a lead.\n" in result.stdout
    assert "  note: too much\n" in result.stdout


def test_nothing_wanted_is_said() -> None:
    result = asked("cap", {"arguments": {}})

    assert (result.exit_code, result.stdout.splitlines()[1:]) == (
        0,
        ["  wants nothing: the call goes on as it is"],
    )


def test_facts_headers_answers_and_approvals_are_shown() -> None:
    facts = asked("facts", {"headers": {"X-Team": "blue"}}, "--enriches", "days=integer")
    answer, approve = asked("answer"), asked("approve")

    assert facts.exit_code == 0, facts.output
    assert "  fact facts.days = 3\n" in facts.stdout
    assert "  header for the target: x-team: none\n" in facts.stdout  # none is named: none is seen
    assert '  answers instead of the target: {"content": [{"type": "text", "text": "cached"}]}' in (
        answer.stdout
    )
    assert (answer.exit_code, approve.exit_code) == (0, 1)
    assert "  asks for a person's approval: Let a person look.\n" in approve.stdout


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("fails", "failed (RuntimeError): no such table"),
        ("junk", "returned dict; return a Decision or None"),
        ("facts", 'the fact "days" is not declared'),
    ],
)
def test_a_failure_is_shown_with_what_becomes_of_the_call(function: str, words: str) -> None:
    result = asked(function)

    assert result.exit_code == 2
    assert words in result.stdout
    assert "on_failure: refuse, so that the call is refused" in result.stdout


def test_a_failure_that_may_be_is_told_apart() -> None:
    recorded()

    result = run("lenient", "--call", "c1")

    assert result.exit_code == 2
    assert "on_failure: allow, so that the call goes on without it" in result.stdout


def test_who_is_asked_about_results_is_asked_about_the_recorded_one() -> None:
    recorded(reply=Reply(body=json.dumps(text("hello")).encode()))

    result = run("hide", "--call", "c1")

    assert result.exit_code == 0
    assert '    replace /content/0/text  "hello" -> "HELLO"' in result.stdout


def test_a_result_that_is_not_in_the_record_is_asked_for() -> None:
    recorded(reply=None)

    result = run("hide", "--call", "c1")

    assert result.exit_code == 2
    assert "There is no result of this call to ask about; give one: --result FILE" in result.stderr


def test_a_result_that_is_given_is_tried_and_an_observer_does_what_it_would() -> None:
    recorded()
    changed = run("hide", "--call", "c1", "--result", file("a.json", text("hello")))
    withheld = run("hide", "--call", "c1", "--result", file("b.json", text("a secret")))

    assert (changed.exit_code, withheld.exit_code) == (0, 1)
    assert '    replace /content/0/text  "hello" -> "HELLO"' in changed.stdout
    assert "  withholds the result: It holds a secret.\n" in withheld.stdout
    assert "hide only observes in the gateway" in changed.stderr


def text(of: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": of}]}


def test_a_function_is_asked_about_a_result_where_one_is_given() -> None:
    result = asked("hide", None, "--result", file("r.json", text("hello")))

    assert result.stdout.startswith("hide (python) on the result of shop___refund by ada\n")


def test_what_the_record_does_not_have_is_said() -> None:
    recorded(
        Masks.parse(("customer",)),
        changes=(
            Change(interceptor="cap", phase="request", action="changed", paths=("/amount",)),
            Change(interceptor="geo", phase="request", action="enriched",
                   paths=("/enriched/geo/country",)),
        ),
        reply=Reply(body=b"{}"),
        principal=a_principal("ada", claims={"role": "clerk"}),
    )  # fmt: skip

    said = run("elsewhere", "--call", "c1").stderr
    given = run(
        "elsewhere", "--call", "c1", "--claim", "role=lead", "--fact", "geo.country=de",
        "--header", "X-Team=blue",
    ).stderr  # fmt: skip

    assert "masked in the record, so that the interceptor sees ***: /customer" in said
    assert "recorded as cap left it: /amount" in said
    assert "--fact geo.country=VALUE" in said
    assert "its claims are not in the record; --claim NAME=VALUE gives one" in said
    assert "--header x-team=VALUE" in said and "--tools FILE" in said
    assert "the gateway does not ask elsewhere about this: see its `on`, `tools`" in said
    assert not any(word in given for word in ("--fact", "--claim", "--header"))


def test_a_condition_that_does_not_hold_is_said() -> None:
    recorded()

    result = run("never", "--call", "c1")

    assert "does not ask never about this call: `when` does not hold" in result.stderr
    assert result.exit_code == 0


def test_what_is_given_is_seen() -> None:
    request = {"principal": {"id": "eve", "claims": {"a": 1}}, "run": "s1"}
    result = asked("shows", request, "--claim", "role=lead", "--fact", "geo.country=de")

    seen = "{'a': 1, 'role': 'lead'} {'geo': {'country': 'de'}} s1"
    assert f"note: {seen}" in result.stdout and "by eve" in result.stdout


def test_changed_arguments_that_do_not_fit_the_tool_are_refused() -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "integer", "maximum": 9}}}
    tools = file("tools.json", {"shop": [{"name": "refund", "inputSchema": schema}]})

    result = asked("cap", None, "--tools", tools)

    assert result.exit_code == 1
    assert "changes the arguments so that they do not fit the tool: " in result.stdout
    assert "--tools FILE" not in result.stderr


def test_built_in_interceptors_are_tried_too() -> None:
    recorded(arguments={"note": "card 4111 1111 1111 1111", "customer": "c", "amount": 1})

    result = run("clean", "--call", "c1")

    assert result.exit_code == 0, result.output
    assert "clean (redact) on the request" in result.stdout
    assert "/note" in result.stdout


def test_lambda_handlers_are_tried_too() -> None:
    Path("lambda_tried.py").write_text(
        "def handle(event, context):\n"
        "    body = event['mcp']['gatewayRequest']['body']\n"
        "    body['params']['arguments']['amount'] = 1\n"
        "    mcp = {'transformedGatewayRequest': {'body': body}}\n"
        "    return {'interceptorOutputVersion': '1.0', 'mcp': mcp}\n"
    )
    request = file("r.json", {"tool": "shop___refund", "arguments": {"amount": 60}})

    result = run("lambda_tried.py:handle", "--kind", "lambda", "--request", request)

    assert "    replace /amount  60 -> 1" in result.stdout


def test_a_kind_that_does_not_look_at_messages_is_said_not_to() -> None:
    Path("lambda_tried.py").write_text(
        "def handle(event, context):\n    return {'interceptorOutputVersion': '1.0', 'mcp': {}}\n"
    )
    request = file("r.json", {"tool": "shop___refund"})

    for words in (("--message", file("m.json", LOG)), ("--list", file("t.json", TOOLS))):
        result = run("lambda_tried.py:handle", "--kind", "lambda", "--request", request, *words)
        does_not = "interceptors of the kind lambda do not look at messages" in result.stderr
        assert does_not is (words[0] == "--message")


def test_json_has_all_of_it() -> None:
    recorded(arguments={"amount": 60, "customer": "c"})

    told = json.loads(run("cap", "--call", "c1", "--json").stdout)

    assert told.pop("seconds") >= 0
    assert told.pop("missing")
    assert told == {
        "interceptor": "cap",
        "kind": "python",
        "point": "request",
        "call": "c1",
        "tool": "shop___refund",
        "method": "tools/call",
        "actions": ["labelled", "changed"],
        "code": "ok",
        "reason": "",
        "detail": "",
        "patch": [{"op": "replace", "path": "/amount", "value": 50}],
        "before": {"amount": 60, "customer": "c"},
        "after": {"amount": 50, "customer": "c"},
        "answer": None,
        "labels": ["capped"],
        "facts": {},
        "headers": {},
        "notes": [],
        "is_skipped": False,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cap"], "say which call"),
        (["cap", "--call", "c1", "--request", "r.json"], "say which call"),
        (["nobody", "--call", "c1"], "has no interceptor 'nobody'"),
        (["cap", "--call", "zzz"], "no call begins with 'zzz'"),
        (["nowhere.py:cap", "--call", "c1"], "nowhere.py does not exist"),
        (["hooks_tried.py:missing", "--call", "c1"], "has no function missing"),
        (["cap", "--request", "gone.json"], "gone.json: cannot be read"),
        (["cap", "--request", "bad.json"], "bad.json: tool: name it as `<target>___<tool>`"),
        (["cap", "--request", "list.json"], "must be a JSON object"),
        (["cap", "--call", "c1", "--fact", "x=1"], "not of the form <interceptor>.<fact>"),
        (["trim", "--call", "c1"], "Give one: --message FILE or --list FILE"),
        (
            ["quiet", "--call", "c1", "--message", "bad.json"],
            "bad.json: method: name the message: `notif",
        ),
        (["quiet", "--message", "log.json"], "say which call"),
        (["trim", "--call", "c1", "--list", "list.json"], "must be a JSON object"),
        (["trim", "--call", "c1", "--list", "odd.json"], "tools: must be a list of objects"),
        (["trim", "--call", "c1", "--list", "twice.json"], "the list has an item twice"),
        (["trim", "--call", "c1", "--list", "bad.json"], "must be a list of tool definitions"),
        (["trim", "--call", "c1", "--list", "twice.json", "--message", "log.json"], "give one of"),
    ],
)
def test_what_cannot_be_asked_is_said(words: list[str], said: str) -> None:
    recorded()
    file("bad.json", {"arguments": {}})
    file("list.json", [])
    file("odd.json", {"tools": ["a"]})
    file("twice.json", {"tools": [{"name": "shop___a"}, {"name": "shop___a"}]})
    file("log.json", LOG)

    result = run(*words)

    assert result.exit_code in (1, 2) and said in result.stderr


LOG = {"method": "notifications/message", "params": {"level": "info", "data": "Hello"}}


def test_a_message_of_the_target_is_tried() -> None:
    recorded()

    result = run("quiet", "--call", "c1", "--message", file("m.json", LOG))

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:-1] == [
        "quiet (python) on the message notifications/message of shop___refund to ada",
        "  changes:",
        '    replace /data  "Hello" -> "hello"',
        "  labels: told",
    ]


def test_a_message_that_is_dropped_is_told_as_such() -> None:
    secret = {**LOG, "params": {"data": "a secret"}}

    result = asked("quiet", None, "--message", file("m.json", secret))
    told = json.loads(asked("quiet", None, "--message", "m.json", "--json").stdout)

    assert result.exit_code == 1
    assert "  drops the message\n" in result.stdout
    assert (told["point"], told["method"], told["code"]) == (
        "message",
        "notifications/message",
        "dropped",
    )


def test_a_message_without_a_wish_is_passed_on_and_one_that_makes_it_fail_dropped() -> None:
    progress = {"method": "notifications/progress", "params": {"progress": 1}}

    passed = asked("ask_nothing", None, "--message", file("m.json", progress))
    failed = run("strict", "--request", "request.json", "--message", "m.json")
    elsewhere = run("clean", "--request", "request.json", "--message", "m.json")

    assert (passed.exit_code, failed.exit_code, elsewhere.exit_code) == (0, 2, 0)
    assert "  wants nothing: the message is passed on as it is\n" in passed.stdout
    assert "on_failure: refuse, so that the message is dropped" in failed.stdout
    assert "the gateway does not ask clean about this" in elsewhere.stderr


TOOLS = {"shop": [{"name": name, "inputSchema": {"type": "object"}} for name in ("get", "delete")]}


def test_a_list_is_tried_on_what_policy_tools_writes() -> None:
    snapshot = {**TOOLS, "desk": [{"name": "delete", "inputSchema": {"type": "object"}}]}

    result = run("trim", "--list", file("tools.json", snapshot))

    assert result.exit_code == 0, result.output
    head, changes, *lines = result.stdout.splitlines()
    assert (head, changes) == ("trim (python) on the list tools/list for ada", "  changes:")
    assert [line[:32].rstrip() for line in sorted(lines[:2])] == [
        "    add     /shop___get/descript",
        '    remove  /shop___delete  {"na',
    ]
    assert lines[2] == "  note: shop shop"
    assert "desk" not in result.stdout  # it is not its business


def test_a_list_of_one_target_has_its_own_names_and_who_asks_is_said() -> None:
    request = {"tool": "shop___tools/list", "principal": {"id": "eve"}}

    told = json.loads(
        run(
            "trim", "--list", file("tools.json", TOOLS), "--request", file("r.json", request),
            "--json",
        ).stdout
    )  # fmt: skip

    assert (told["point"], told["tool"], told["method"]) == (
        "list",
        "shop___tools/list",
        "tools/list",
    )
    assert list(told["before"]) == ["get", "delete"]
    assert {name: one["description"] for name, one in told["after"].items()} == {"get": "Ours."}


def test_resources_templates_and_prompts_are_told_by_what_they_are_used_by() -> None:
    resources = {"resources": [{"uri": "shop+file:///a", "name": "a"}], "ttlMs": 5}
    templates = {"resourceTemplates": [{"uriTemplate": "desk+file:///{x}", "name": "x"}]}
    prompts = {"prompts": [{"name": "shop___hello"}, {"name": "desk___hello"}]}

    said = [run("trim", "--list", file("l.json", one)) for one in (resources, templates, prompts)]

    assert "list resources/list for ada" in said[0].stdout
    assert "/shop+file:~1~1~1a/description" in said[0].stdout
    assert "wants nothing: the list is shown as it is" in said[1].stdout
    assert "the gateway does not ask trim about this" in said[1].stderr
    assert "/shop___hello/description" in said[2].stdout
    assert "/desk___hello" not in said[2].stdout


def test_without_a_configuration_a_uri_says_its_target() -> None:
    listed = {"resources": [{"uri": "docs+file:///a"}]}

    result = run("hooks_tried.py:trim", "--list", file("l.json", listed))

    assert "  note: docs\n" in result.stdout


def test_a_list_that_is_withheld_or_added_to_is_told() -> None:
    many = {"tools": [{"name": f"shop___t{number}"} for number in range(4)]}
    few = {"tools": many["tools"][:1]}

    withheld = run("hooks_tried.py:trim", "--list", file("many.json", many))
    added = run("hooks_tried.py:adds", "--list", file("few.json", few))
    failed = run("strict", "--list", "few.json")

    assert withheld.exit_code == 1
    assert "  withholds the list: Too many.\n" in withheld.stdout
    assert (added.exit_code, failed.exit_code) == (2, 2)
    assert "holds an item that was not in the list" in added.stdout
    assert "on_failure: refuse, so that the list is not shown" in failed.stdout


def test_of_a_recorded_call_a_list_has_who_asked() -> None:
    recorded(principal=a_principal("sam"))

    result = run("trim", "--call", "c1", "--list", file("tools.json", TOOLS))

    assert result.stdout.startswith("trim (python) on the list tools/list for sam\n")


def test_a_recorded_list_does_not_say_what_was_shown() -> None:
    the_list = an_ending_call("c1", tool=method_tool("shop", "tools/list"), method="tools/list")
    entry = telling.outcome(Outcome(call=the_list, is_delivered=True), 2.0, Keeping())
    write(StoreSettings(path=Path("r.db")), entry)

    result = run("trim", "--call", "c1", "--message", file("m.json", LOG))
    given = run("trim", "--call", "c1", "--list", file("tools.json", TOOLS))

    assert result.exit_code == 2
    assert "is a list; what is shown in one is not recorded: --list FILE gives it" in result.stderr
    assert given.stdout.startswith("trim (python) on the list shop___tools/list for ada\n")


def test_what_a_target_asks_of_the_client_is_a_request_under_its_own_name() -> None:
    question = {"tool": "shop___elicitation/create", "arguments": {"message": "Your password?"}}
    answer = {"action": "accept", "content": {"text": "no secret"}}

    refused = asked("ask_nothing", question)
    fine = asked("ask_nothing", {**question, "arguments": {"message": "Your name?"}})
    withheld = asked("hide", question, "--result", file("a.json", answer))

    assert (refused.exit_code, fine.exit_code, withheld.exit_code) == (1, 0, 1)
    assert refused.stdout.startswith(
        "ask_nothing (python) on the request of shop___elicitation/create by ada\n"
    )
    assert "refuses the call: Nobody asks for passwords." in refused.stdout
    assert "withholds the result: It holds a secret." in withheld.stdout


def test_a_recorded_question_is_tried_as_it_was_asked() -> None:
    recorded(
        method="elicitation/create",
        tool=method_tool("shop", "elicitation/create"),
        arguments={"message": "Your password?"},
        asked_in="c0",
    )

    result = run("hooks_tried.py:ask_nothing", "--call", "c1")

    assert result.exit_code == 1
    assert "refuses the call: Nobody asks for passwords." in result.stdout
