"""A running gateway takes up changed interceptors, and keeps the old ones where it cannot."""

from pathlib import Path
from typing import Any

import pytest

from fakes.running import Running, running

pytestmark = pytest.mark.e2e

CONFIG = """
identity: {anonymous: {id: ada}}
policies: {files: [p.cedar]}
targets: {shop: {python: shop_reloaded}}
interceptors:
  - {name: hook, python: "hooks_reloaded:mark"}
  - {name: handler, lambda: "handler_reloaded.py:handle"}
"""
SHOP = "def order(thing: str) -> str:\n    return thing\n"
PERMIT = '@id("p") permit (principal, action, resource);'
HOOKS = """
from callgate import Decision, Request
from words_reloaded import WORD

def mark(request: Request) -> Decision:
    return Decision(arguments={"thing": f"{request.arguments['thing']} {WORD}"})
"""
HANDLER = """
import tails_reloaded

def handle(event, context):
    body = event["mcp"]["gatewayRequest"]["body"]
    body["params"]["arguments"]["thing"] += tails_reloaded.TAIL
    return {
        "interceptorOutputVersion": "1.0",
        "mcp": {"transformedGatewayRequest": {"body": body}},
    }
"""
FILES = {
    "p__cedar": PERMIT,
    "shop_reloaded__py": SHOP,
    "hooks_reloaded__py": HOOKS,
    "words_reloaded__py": "WORD = 'one'\n",
    "handler_reloaded__py": HANDLER,
    "tails_reloaded__py": "TAIL = '.'\n",
}


def ordered(gateway: Running) -> str:
    _, answer = gateway.call("shop___order", thing="tea")
    return str(answer["result"]["content"][0]["text"])


def change(gateway: Running, name: str, text: str, wanted: str = "is in force") -> str:
    """What is said of a change."""
    since = len(gateway.log)
    (gateway.directory / name).write_text(text)
    return gateway.await_log(wanted, since=since).string


def test_functions_handlers_and_what_they_import_are_taken_up_when_they_change(
    tmp_path: Path,
) -> None:
    with running(tmp_path, CONFIG, **FILES) as gateway:
        seen = [ordered(gateway)]
        change(gateway, "hooks_reloaded.py", HOOKS.replace("{WORD}", "{WORD}!"))
        seen.append(ordered(gateway))
        change(gateway, "words_reloaded.py", "WORD = 'two'\n")
        seen.append(ordered(gateway))
        change(gateway, "tails_reloaded.py", "TAIL = '?'\n")
        seen.append(ordered(gateway))
        change(gateway, "handler_reloaded.py", HANDLER.replace(".TAIL", ".TAIL * 2"))
        seen.append(ordered(gateway))

    assert seen == ["tea one.", "tea one!.", "tea two!.", "tea two!?", "tea two!??"]


def test_a_broken_file_is_said_and_the_old_one_goes_on_until_it_is_mended(tmp_path: Path) -> None:
    kept = "is not used, the old one stays"
    with running(tmp_path, CONFIG, **FILES) as gateway:
        assert ordered(gateway) == "tea one."
        said = [
            change(gateway, "hooks_reloaded.py", HOOKS.replace("WORD}", "WOR}") + "(", kept),
            change(gateway, "hooks_reloaded.py", "WORD = 'half'\nraise SystemExit(1)\n", kept),
            change(gateway, "hooks_reloaded.py", "def other(request): ...\n", kept),
            change(gateway, "hooks_reloaded.py", HOOKS + "\nimport more_reloaded\n", kept),
        ]
        assert ordered(gateway) == "tea one."
        change(gateway, "more_reloaded.py", "X = 1\n")  # what was missing is watched for
        change(gateway, "words_reloaded.py", "WORD = 'new'\n")
        assert ordered(gateway) == "tea new."
        said.append(change(gateway, "handler_reloaded.py", "import nowhere_at_all\n", kept))
        assert ordered(gateway) == "tea new."

    words = ("SyntaxError", "SystemExit: 1", "no function mark", "more_reloaded", "nowhere_at_all")
    for line, word in zip(said, words, strict=True):
        assert "interceptors: " in line and word in line


def test_a_function_that_exits_does_not_end_the_gateway(tmp_path: Path) -> None:
    exits = "import sys\n\n{}def mark(request):\n    sys.exit(3)\n"
    with running(tmp_path, CONFIG, **FILES) as gateway:
        said = [ordered(gateway)]
        for kind in ("async ", ""):
            change(gateway, "hooks_reloaded.py", exits.format(kind))
            said.append(ordered(gateway))
        change(gateway, "hooks_reloaded.py", HOOKS)
        said.append(ordered(gateway))

    refused = "The interceptor hook failed, so the call is refused."
    assert said == ["tea one.", refused, refused, "tea one."]


KEEPING = """
identity: {anonymous: {id: ada}}
policies: {files: [p.cedar]}
targets: {shop: {python: shop_keeping}}
interceptors:
  - {name: redact, redact: {mode: tokenise}, on: [request, result]}
  - name: exfiltration
    exfiltration: {sources: [shop], sinks: [{tools: [shop___send]}], per: principal}
    on: [request, result]
"""
SHOP_KEEPING = """
CUSTOMER = "Jonathan Smithers of Elm Street, who has been a customer for many a year and pays late"

def read() -> str:
    return f"ada@example.org {CUSTOMER}"

def look(mail: str) -> str:
    return "known" if mail == "ada@example.org" else "unknown"

def send(text: str) -> str:
    return "sent"
"""


def test_tokens_and_what_came_back_are_not_forgotten_over_a_reload(tmp_path: Path) -> None:
    files = {"p__cedar": PERMIT, "shop_keeping__py": SHOP_KEEPING}
    with running(tmp_path, KEEPING, **files) as gateway:
        text = said(gateway.call("shop___read"))
        token, _, customer = text.partition(" ")
        assert token.startswith("[token:email:")
        # Changed settings of both: they go on with what they know, within their new bounds.
        config = (tmp_path / "callgate.yaml").read_text()
        config = config.replace("tokenise}", "tokenise, tokens: {most: 50}}")
        change(gateway, "callgate.yaml", config.replace("principal}", "principal, max_bytes: 50}"))
        assert said(gateway.call("shop___look", mail=token)) == "known"
        assert "letters and digits" in said(gateway.call("shop___send", text=customer))


def said(answer: tuple[object, dict[str, Any]]) -> str:
    return str(answer[1]["result"]["content"][0]["text"])
