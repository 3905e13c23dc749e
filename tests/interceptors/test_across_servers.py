"""What is read from one server is not sent to another: the behaviours of draft SEP-2624's suite.

Each call is permitted by itself; only the flow from one server to another is the violation. The
cases are those that the draft's conformance suite describes for a guard across boundaries and a
redactor of outgoing secrets, with values of our own.
"""

from pathlib import Path
from typing import Any

import pytest

from callgate.interceptors.exfiltration import Exfiltration, ExfiltrationSettings
from callgate.interceptors.redact import Redactor, RedactSettings
from callgate.pipeline.attaching import Attachment
from fakes.clock import FakeClock
from fakes.relays import Relay, open_tool, says

# In pieces, so that nobody takes them for keys of somebody.
SECRETS = {
    "stripe": "sk_" + "live_" + "9fK2mQ7xTz4LbW8vNc3RpY6d",
    "github": "gh" + "p_" + "Zk3Tq8WmXv5Lr2Ny7Bc9Hd4Jf6Sg1Pa0Ue8i",
    "aws": "AK" + "IA" + "Q7MZ2XN5WB8RT4KJ",
}


def guard(**more: Any) -> Attachment:
    settings: dict[str, Any] = {
        "sources": ["*"],
        "sinks": [{"tools": ["*"]}],
        "across_targets": True,
        **more,
    }
    return Attachment(
        name="guard",
        interceptor=Exfiltration(ExfiltrationSettings.model_validate(settings), FakeClock().ticks),
        phases=frozenset({"request", "result"}),
    )


def redactor() -> Attachment:
    made = Redactor(RedactSettings(), Path(__file__).parent, FakeClock())
    return Attachment(name="redact", interceptor=made, phases=frozenset({"request"}))


def servers(secret: str, *chain: Attachment) -> Relay:
    """`fs` holds the secret; `db` is somebody else's."""
    tools = tuple(
        open_tool(*name.split("___"))
        for name in ("fs___read_file", "fs___write_file", "db___write_query", "db___read_query")
    )
    return Relay(chain, tools, {"fs___read_file": says(f"API_KEY={secret}\nDEBUG=1\n")})


def query(secret: str) -> dict[str, Any]:
    return {"query": f"INSERT INTO notes (body) VALUES ('{secret}')"}


ENV = {"path": "/workspace/.env"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_one_server_is_not_sent_to_another(name: str) -> None:
    gate = servers(SECRETS[name], guard())

    assert gate.call("fs___read_file", ENV).refusal_code is None
    outcome = gate.call("db___write_query", query(SECRETS[name]))

    assert outcome.refusal_code == "refused_by_interceptor"
    assert "fs___read_file" in outcome.reason and SECRETS[name] not in outcome.reason
    assert [asked for asked, _ in gate.asked] == ["fs___read_file"]


def test_it_may_go_back_to_the_server_that_it_came_from() -> None:
    gate = servers(SECRETS["stripe"], guard())
    gate.call("fs___read_file", ENV)

    outcome = gate.call("fs___write_file", {**ENV, "content": SECRETS["stripe"]})

    assert outcome.refusal_code is None


def test_a_value_that_nobody_read_may_be_sent() -> None:
    gate = servers(SECRETS["github"], guard())

    assert gate.call("db___write_query", query(SECRETS["github"])).refusal_code is None


def test_what_one_session_read_is_unknown_in_another() -> None:
    gate = servers(SECRETS["aws"], guard())
    gate.call("fs___read_file", ENV, session_id="a")

    assert gate.call("db___write_query", query(SECRETS["aws"]), session_id="b").refusal_code is None
    assert gate.call("db___write_query", query(SECRETS["aws"]), session_id="a").refusal_code


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_redacted_on_its_way_out(name: str) -> None:
    gate = servers(SECRETS[name], redactor())

    assert gate.call("db___write_query", query(SECRETS[name])).refusal_code is None
    ((_, sent),) = gate.asked
    assert SECRETS[name] not in str(sent)


def test_redacted_before_it_is_weighed_the_call_goes_on_without_the_secret() -> None:
    gate = servers(SECRETS["stripe"], redactor(), guard())
    gate.call("fs___read_file", ENV)

    assert gate.call("db___write_query", query(SECRETS["stripe"])).refusal_code is None
    assert SECRETS["stripe"] not in str(gate.asked[-1])


def test_it_is_not_sent_on_by_way_of_a_third_call() -> None:
    secret = SECRETS["github"]
    gate = servers(secret, guard())
    gate.call("fs___read_file", ENV)
    gate.call("fs___write_file", {**ENV, "content": secret})
    gate.answers["db___read_query"] = says(secret)  # known there anyway, and now from there, too
    gate.call("db___read_query", {})

    assert gate.call("db___write_query", query(secret)).refusal_code is not None
