"""Policies change while the gateway runs: over the control API, from git, and with the tools."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from callgate.protocol.refusals import META_KEY
from callgate.storage.settings import StoreSettings
from callgate.storage.versions import StoredPolicyVersions
from fakes.repository import Repository
from fakes.running import LISTENERS, Running, fetch, running
from fakes.versions import a_version

pytestmark = pytest.mark.e2e

SHOP = 'def refund(customer: str, amount: int) -> dict:\n    return {"refunded": amount}\n'
PERMIT = """\
@id("refunds")
permit(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount <= 500 };
"""
CAP = (
    'forbid(principal, action == Callgate::Action::"shop___refund", resource)\n'
    "when { context.input.amount > 100 };"
)
CONFIG = """
identity: {anonymous: true}
targets: {shop: {python: shop}}
"""
STORED = CONFIG + 'policies: {files: ["*.cedar"], store: true}\n'


def asked(
    gateway: Running, method: str, path: str, body: Any = None, token: str | None = None
) -> tuple[int, Any]:
    """A request to the control API of policies."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    content = None if body is None else json.dumps(body).encode()
    return fetch(f"{gateway.control}/api/v1/policies{path}", content, headers, method)


def put(gateway: Running, identifier: str, text: str, **more: Any) -> tuple[int, Any]:
    return asked(gateway, "PUT", f"/{identifier}", {"text": text, **more})


def code(gateway: Running, amount: int) -> str:
    """`ok`, or with what a refund of this amount is refused."""
    _, answer = gateway.call("shop___refund", customer="c", amount=amount)
    result = answer["result"]
    return str(result["_meta"][META_KEY]["code"]) if result.get("isError") else "ok"


def test_a_policy_is_put_promoted_and_rolled_back_and_calls_follow(tmp_path: Path) -> None:
    with running(tmp_path, STORED, shop__py=SHOP, p__cedar=PERMIT) as gateway:
        assert code(gateway, 200) == "ok"
        status, made = put(gateway, "cap", f'@mode("shadow")\n{CAP}', message="try it")
        assert (status, made["version"]["number"], made["version"]["author"]) == (201, 1, "local")
        assert code(gateway, 200) == "ok"

        url = gateway.control
        assert "version 2" in gateway.callgate("policy", "promote", "cap", "--control", url)
        assert (code(gateway, 200), code(gateway, 50)) == ("not_permitted", "ok")
        assert put(gateway, "cap", CAP, if_version=1)[0] == 409

        before = asked(gateway, "GET", "")[1]
        for text, said in (
            ("permit(principal, action resource);", "not valid Cedar"),
            (CAP.replace("> 100", '> "x"'), "does not fit shop___refund"),
            (f'@id("refunds") {CAP}', "make them equal"),
        ):
            status, problem = put(gateway, "bad", text)
            assert (status, said in problem["detail"]) == (422, True)
        assert asked(gateway, "GET", "")[1] == before
        assert code(gateway, 200) == "not_permitted"

        told = gateway.callgate("policy", "rollback", "0", "--control", url, "--message", "back")
        assert "version 3 holds what 0 held" in told
        assert code(gateway, 200) == "ok"
        lines = gateway.callgate("policy", "versions").splitlines()
        assert [line.split()[0] for line in lines] == ["3", "2", "1"]
        assert gateway.callgate("audit", "verify")
        assert gateway.stop() == 0


def test_what_another_process_stores_is_taken_over(tmp_path: Path) -> None:
    with running(tmp_path, STORED, shop__py=SHOP, p__cedar=PERMIT) as gateway:
        assert code(gateway, 200) == "ok"
        versions = StoredPolicyVersions(StoreSettings(path=tmp_path / "callgate.db"))
        versions.add(a_version(1, cap=f'@id("cap") {CAP}'))
        gateway.await_log("is in force")
        assert code(gateway, 200) == "not_permitted"

        versions.add(a_version(2, cap="permit("))
        gateway.await_log("the old one stays: policies: store:cap:1")
        assert code(gateway, 200) == "not_permitted"
        assert put(gateway, "cap", CAP)[1]["version"]["number"] == 3


def test_operators_sign_their_changes_and_readers_make_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = {name: name.lower() * 8 for name in ("ADAS", "BOBS", "READ")}
    for name, token in tokens.items():
        monkeypatch.setenv(name, token)
    listeners = LISTENERS.replace(
        "control: {port: 0}",
        "control: {port: 0, operators: {ada: '${env:ADAS}', bob: '${env:BOBS}'}, "
        "readers: {eve: '${env:READ}'}}",
    )
    with running(tmp_path, STORED + listeners, shop__py=SHOP, p__cedar=PERMIT) as gateway:
        for name in ("ADAS", "BOBS"):
            body = {"text": CAP, "message": name}
            assert asked(gateway, "PUT", f"/{name}", body, tokens[name])[0] == 201
        assert asked(gateway, "PUT", "/eve", {"text": CAP}, tokens["READ"])[0] == 403
        assert asked(gateway, "PUT", "/eve", {"text": CAP})[0] == 401

        versions = asked(gateway, "GET", "/versions", token=tokens["READ"])[1]["versions"]
        assert [version["author"] for version in versions] == ["bob", "ada"]


def test_hostile_text_kills_no_gateway(tmp_path: Path) -> None:
    head = "permit(principal, action, resource) when { "
    texts = {
        "parentheses": f"{head}{'(' * 5000}true{')' * 5000} }};",
        "alternatives": f"{head}{'||'.join(['context.a'] * 5000)} }};",
        "conditionals": f"{head}{'if context.a then true else ' * 3000}true }};",
        "sums": f"{head}{'1 + ' * 50_000}1 == 1 }};",
        "quotes": f'{head}context.a == "{"x" * 900_000}" }};',
    }
    with running(tmp_path, STORED, shop__py=SHOP, p__cedar=PERMIT) as gateway:
        for name, text in texts.items():
            status, problem = put(gateway, name, text)
            assert (status, problem["source"]) == (422, f"store:{name}")
            assert code(gateway, 200) == "ok"
        assert put(gateway, "cap", CAP)[0] == 201
        assert code(gateway, 200) == "not_permitted"
        (tmp_path / "q.cedar").write_text(texts["alternatives"])
        gateway.await_log("the old one stays: policies: q.cedar:1:.*operators; split it")
        assert code(gateway, 50) == "ok"


def test_a_commit_is_picked_up_and_a_bad_one_is_not(tmp_path: Path) -> None:
    origin = Repository(tmp_path / "origin")
    first = origin.commit("one", p_dot_cedar=PERMIT)
    config = CONFIG + "policies: {files: [], git: {repository: origin, poll_seconds: 1}}\n"
    with running(tmp_path, config, shop__py=SHOP) as gateway:
        assert code(gateway, 200) == "ok"
        second = origin.commit("Only up to 100", p_dot_cedar=PERMIT.replace("500", "100"))
        gateway.await_log(f"commit {second[:12]} by Ada .*: Only up to 100")
        assert code(gateway, 200) == "not_permitted"
        bad = origin.commit("oops", p_dot_cedar="permit(")
        gateway.await_log(
            f"commit {bad[:12]} by Ada .* is not used, the old one stays: .*p.cedar:1"
        )

        told = asked(gateway, "GET", "")[1]
        assert (told["commit"]["id"], told["commit"]["author"]) == (
            second,
            "Ada <ada@example.org>",
        )
        assert "not valid Cedar" in told["problems"][0]
        assert told["policies"][0]["place"] == f"p.cedar@{second}"
        assert code(gateway, 100) == "ok"
        assert gateway.stop() == 0

    assert first != second
    origin.directory.rename(tmp_path / "gone")
    with running(tmp_path, config, shop__py=SHOP) as gateway:
        assert (code(gateway, 200), code(gateway, 100)) == ("not_permitted", "ok")


@pytest.mark.skipif(sys.platform == "win32", reason="replaces a file that is being read")
def test_a_tool_that_changes_is_refused_until_its_policies_fit_again(tmp_path: Path) -> None:
    def schema(kind: str) -> None:
        fields = {"customer": {"type": "string"}, "amount": {"type": kind}}
        fresh = tmp_path / "fresh.json"
        fresh.write_text(json.dumps({"type": "object", "properties": fields}))
        os.replace(fresh, tmp_path / "schema.json")

    def findings() -> int:
        metrics = fetch_text(f"{gateway.control}/metrics")
        (line,) = [
            one for one in metrics.splitlines() if one.startswith("callgate_policy_findings")
        ]
        return int(float(line.split()[1]))

    schema("integer")
    program = Path(__file__).parent.parent / "fakes" / "changing_target.py"
    config = CONFIG.replace(
        "python: shop", f"command: [{sys.executable}, {program}, {tmp_path / 'schema.json'}]"
    )
    permit = PERMIT.replace(
        "context.input.amount", "context.input has amount && context.input.amount"
    )
    with running(tmp_path, config + 'policies: {files: ["*.cedar"]}\n', p__cedar=permit) as gateway:
        assert (code(gateway, 200), findings()) == ("ok", 0)
        schema("string")
        gateway.await_log(r"policy refunds \(p.cedar\): does not fit shop___refund")
        _, answer = gateway.call("shop___refund", customer="c", amount="200")
        assert answer["result"]["_meta"][META_KEY]["code"] == "not_permitted"
        (found,) = asked(gateway, "GET", "")[1]["findings"]
        assert (found["policy"], found["tools"]) == ("refunds", ["shop___refund"])
        assert findings() == 1
        assert fetch(f"{gateway.control}/readyz")[0] == 200

        schema("integer")
        gateway.await_log(r"policy refunds \(p.cedar\): it fits again")
        assert (code(gateway, 200), findings()) == ("ok", 0)


def fetch_text(url: str) -> str:
    """The body of a page that is not JSON."""
    with urllib.request.urlopen(url, timeout=120) as response:
        text: str = response.read().decode()
    return text
