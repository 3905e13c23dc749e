"""The AuthZEN working group's interop scenarios, Todo 1.1 and Search, with their own expectations.

The data is not part of Callgate: github.com/openid/authzen, looked for where CALLGATE_AUTHZEN_TESTS
says, else in `../shared/data/authzen`. Their draft versions agree with 1.0 in what is used here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from callgate.audit.principals import Recalled
from callgate.control.app import ControlEndpoint
from callgate.model import Json, Tool
from callgate.protocol.jsonrpc import encode
from fakes.calls import a_principal, a_tool
from fakes.gateway import a_gateway
from fakes.pdp import a_pdp, posted

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("CALLGATE_AUTHZEN_TESTS") or ROOT.parent / "shared" / "data" / "authzen")
TODO = DATA / "interop/authzen-todo-backend/test/decisions-authorization-api-1_0-02.json"
SEARCH = DATA / "interop/authzen-search-demo"

pytestmark = pytest.mark.skipif(
    not TODO.exists(), reason=f"AuthZEN's interop data is not in {DATA}; set CALLGATE_AUTHZEN_TESTS"
)

ROLES = {  # of the scenario's page: e-mail, roles
    "CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": (
        "rick@the-citadel.com",
        ("admin", "evil_genius"),
    ),
    "CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": (
        "morty@the-citadel.com",
        ("editor",),
    ),
    "CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": (
        "summer@the-smiths.com",
        ("editor",),
    ),
}
STRING: dict[str, Json] = {"type": "string"}


def quoted(texts: Iterable[str]) -> str:
    """Cedar string literals of plain texts, in a set."""
    return "[" + ", ".join(json.dumps(text) for text in texts) + "]"


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def tools(target: str, *names: str, **properties: Json) -> tuple[Tool, ...]:
    schema = {"type": "object", "properties": {"id": STRING, **properties}, "required": ["id"]}
    return tuple(a_tool(target, name, schema) for name in names)


def todo() -> ControlEndpoint:
    """Everybody reads; editors create, and change what is their own; admins and geniuses more."""
    permits = ['permit(principal, action in [Callgate::Action::"user___can_read_user", '
               'Callgate::Action::"todo___can_read_todos"], resource);']  # fmt: skip
    for identifier, (email, roles) in ROLES.items():
        scope = f'permit(principal == Callgate::OAuthUser::"{identifier}", action == '
        permits.append(f'{scope}Callgate::Action::"todo___can_create_todo", resource);')
        for action, over_all in (("update", "evil_genius"), ("delete", "admin")):
            own = f'when {{ context.input has ownerID && context.input.ownerID == "{email}" }}'
            condition = "" if over_all in roles else own
            permits.append(
                f'{scope}Callgate::Action::"todo___can_{action}_todo", resource) {condition};'
            )
    names = ("can_read_todos", "can_create_todo", "can_update_todo", "can_delete_todo")
    offered = (*tools("user", "can_read_user"), *tools("todo", *names, ownerID=STRING))
    gateway = a_gateway(policies="\n".join(permits), tools=offered)
    return a_pdp(gateway=lambda: gateway)


def search() -> ControlEndpoint:
    """Owners see, edit and delete; departments see; managers see all and edit in their own."""
    users = read(SEARCH / "data" / "users.json")
    records = [{**one, "id": str(one["id"])} for one in read(SEARCH / "data" / "records.json")]
    permits = []
    for user in users:

        def ids(is_meant: Any) -> str:
            return quoted(one["id"] for one in records if is_meant(one))

        of_department = ids(lambda one, user=user: one["department"] == user["department"])
        owned = ids(lambda one, user=user: one["owner"] == user["id"])
        is_manager = user["role"] == "manager"
        may = {
            "view": [quoted(one["id"] for one in records)]
            if is_manager
            else [of_department, owned],
            "edit": [owned, *([of_department] if is_manager else [])],
            "delete": [owned],
        }
        for action, sets in may.items():
            for one in sets:
                permits.append(
                    f'permit(principal == Callgate::OAuthUser::"{user["id"]}", '
                    f'action == Callgate::Action::"record___{action}", resource) '
                    f"when {{ {one}.contains(context.input.id) }};"
                )
    known: Json = {"type": "string", "enum": [one["id"] for one in records]}
    schema = {"type": "object", "properties": {"id": known}, "required": ["id"]}
    offered = tuple(a_tool("record", name, schema) for name in ("view", "edit", "delete"))
    gateway = a_gateway(policies="\n".join(permits), tools=offered)
    principals = [Recalled(principal=a_principal(user["id"])) for user in users]
    return a_pdp(gateway=lambda: gateway, principals=lambda: principals)


def test_every_decision_of_the_todo_scenario_is_as_expected() -> None:
    pdp, expected = todo(), read(TODO)

    def decided(request: Json) -> Any:
        return posted(pdp, "/access/v1/evaluation", request).json["decision"]

    def all_decided(request: Json) -> list[Json]:
        found = posted(pdp, "/access/v1/evaluations", request).json["evaluations"]
        return [{"decision": one["decision"]} for one in found]

    single = [(one["request"], one["expected"]) for one in expected["evaluation"]]
    several = [(one["request"], one["expected"]) for one in expected["evaluations"]]
    assert len(single) == 40 and len(several) == 3
    assert [decided(request) for request, _ in single] == [wanted for _, wanted in single]
    assert [all_decided(request) for request, _ in several] == [wanted for _, wanted in several]


@pytest.mark.parametrize("kind", ["subject", "resource", "action"])
def test_every_result_of_the_search_scenario_is_found_and_nothing_else(kind: str) -> None:
    pdp = search()
    cases = read(SEARCH / "test-harness" / "src" / kind / "results.json")["evaluation"]

    def found(request: Json) -> list[bytes]:
        results = posted(pdp, f"/access/v1/search/{kind}", request).json["results"]
        return sorted(encode({name: one[name] for name in one if name != "properties"})
                      for one in results)  # fmt: skip

    wanted = [sorted(encode(one) for one in case["expected"]["results"]) for case in cases]
    assert len(cases) > 10
    assert [found(case["request"]) for case in cases] == wanted
