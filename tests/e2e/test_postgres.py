"""A gateway whose record is in PostgreSQL, as its users run it: the server goes and comes back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from callgate.audit.keys import SigningKey
from callgate.audit.verifying import Trust, verify
from callgate.protocol.refusals import META_KEY
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from fakes.postgres import a_database, a_role, a_server, ask, terminate
from fakes.running import Running, fetch, running

pytestmark = pytest.mark.e2e

KEY = SigningKey.generated("records.example.com")
CONFIG = """
store: {{url: "{url}", signing_key: "${{env:CALLGATE_SIGNING_KEY}}"}}
identity: {{anonymous: true}}
targets:
  acts: {{python: acts}}
policies: {{files: [all.cedar]{more}}}
"""
# As docs/audit.md has them, for a role that does not own the tables.
GRANTS = (
    "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT UPDATE ON logs, checkpoints, cursors, store_facts TO {role}",
    "GRANT UPDATE, DELETE ON tiles TO {role}",
    "GRANT DELETE ON store_facts TO {role}",
)
ACTS = '''
def act(name: str) -> str:
    """Does something that can be seen."""
    with open("executed.txt", "a") as file:
        file.write(f"{name}\\n")
    return f"did {name}"
'''


@contextmanager
def a_gateway(directory: Path, url: str, more: str = "") -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLGATE_SIGNING_KEY", KEY.text)
        text = CONFIG.format(url=url, more=more)
        permit = "permit(principal, action, resource);"
        with running(directory, text, acts__py=ACTS, all__cedar=permit) as gateway:
            yield gateway


def act(gateway: Running, name: str) -> str:
    """`done`, or the code of the refusal."""
    status, answer = gateway.call("acts___act", name=name)
    result: Any = answer["result"]
    if status == 200 and not result.get("isError"):
        return "done"
    return str(result["_meta"][META_KEY]["code"])


def executed(directory: Path) -> list[str]:
    file = directory / "executed.txt"
    return file.read_text().split() if file.exists() else []


def recorded(gateway: Running, number: int) -> dict[str, str]:
    """What was asked for → how it ended, as the command tells it of at least so many calls."""
    return {call["arguments"]["name"]: call["code"] for call in gateway.calls(number)}


def holds(url: str) -> bool:
    settings = StoreSettings(url=url, signing_key=KEY.text)
    found = verify(open_log(settings), Trust(keys=(KEY.verifier,)))
    return found.failures == () and found.records > 0


def until_done(gateway: Running, name: str) -> list[str]:
    """Calls again and again until it goes; the refusals before."""
    refusals: list[str] = []
    for number in range(2000):
        code = act(gateway, f"{name}-{number}")
        if code == "done":
            return refusals
        refusals.append(code)
        threading.Event().wait(0.02)
    raise AssertionError(f"{name}: {refusals[-1]}")


def test_calls_are_recorded_read_and_verified(tmp_path: Path) -> None:
    with a_database() as url:
        with a_gateway(tmp_path, url, ", store: true") as gateway:
            assert [act(gateway, name) for name in ("one", "two")] == ["done", "done"]
            asked = 2
            for number in range(3):
                assert terminate(url) >= 1
                asked += len(until_done(gateway, f"after-{number}")) + 1

            found = recorded(gateway, asked)

            assert set(executed(tmp_path)) <= found.keys()
            assert (found["one"], found["two"]) == ("ok", "ok")
            call_id = ask(url, "SELECT call_id FROM records WHERE kind = 'outcome'")[0][0]
            assert "acts" in gateway.callgate("explain", call_id)
            assert gateway.stop() == 0
        assert holds(url)
        assert not list(tmp_path.glob("callgate.db*"))
        assert KEY.text not in "\n".join(gateway.log)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_while_the_server_is_gone_nothing_is_called(tmp_path: Path, how: signal.Signals) -> None:
    with a_server() as server, a_gateway(tmp_path, server.url) as gateway:
        assert act(gateway, "before") == "done"
        server.stop(how)

        codes = {act(gateway, f"meanwhile-{number}") for number in range(5)}

        assert codes == {"record_unavailable"}
        assert executed(tmp_path) == ["before"]
        assert fetch(gateway.control + "/readyz")[0] == 503
        server.start()
        assert set(until_done(gateway, "after")) <= {"record_unavailable"}
        gateway.stop()
        ended = "SELECT payload::json->'arguments'->>'name' FROM records WHERE code = %s"
        refused = {name for (name,) in ask(server.url, ended, "record_unavailable")}
        assert {f"meanwhile-{number}" for number in range(5)} <= refused
        assert holds(server.url)


def test_a_server_that_crashes_under_load_leaves_no_call_without_its_record(
    tmp_path: Path,
) -> None:
    with a_server() as server:
        with a_gateway(tmp_path, server.url) as gateway:
            enough = threading.Event()
            callers = [
                threading.Thread(target=_hammer, args=(gateway, f"w{number}", enough))
                for number in range(6)
            ]
            for caller in callers:
                caller.start()
            for turn in range(3):
                for number in range(5):
                    until_done(gateway, f"turn-{turn}-{number}")
                server.stop(signal.SIGQUIT)
                server.start()
            enough.set()
            for caller in callers:
                caller.join()
            until_done(gateway, "last")
            gateway.stop()
        done = executed(tmp_path)
        intents = "SELECT payload::json->'arguments'->>'name' FROM records WHERE kind = 'intent'"
        found = [name for (name,) in ask(server.url, intents)]
        assert len(done) > 20
        assert set(done) <= set(found)
        assert len(found) == len(set(found))
        open_calls = (
            "SELECT count(*) FROM records i WHERE kind = 'intent' AND NOT EXISTS"
            " (SELECT FROM records o WHERE o.call_id = i.call_id AND o.kind = 'outcome')"
        )
        assert ask(server.url, open_calls) == [(0,)]
        assert holds(server.url)


def _hammer(gateway: Running, name: str, enough: threading.Event) -> None:
    number = 0
    while not enough.is_set():
        if act(gateway, f"{name}-{number}") != "done":
            enough.wait(0.02)
        number += 1


def test_a_gateway_does_not_start_without_its_database(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PASSWORD", "hunter2-secret")
        url = "postgresql://ada:${env:PASSWORD}@127.0.0.1:1/record"
        with a_gateway(tmp_path, url) as gateway:
            assert gateway.process.wait(180) != 0
            gateway.await_log("127.0.0.1:1/record cannot be")
            assert "hunter2-secret" not in "\n".join(gateway.log)


def test_replicas_see_each_others_calls(tmp_path: Path) -> None:
    with a_database() as url, ExitStack() as stack:
        gateways = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            gateways.append(stack.enter_context(a_gateway(tmp_path / name, url)))
        for number, gateway in enumerate(gateways):
            assert act(gateway, f"call-{number}") == "done"

        assert recorded(gateways[0], 2) == {"call-0": "ok", "call-1": "ok"}
        assert ask(url, "SELECT count(*) FROM logs WHERE id > 0") == [(2,)]


def test_a_role_with_no_more_than_it_needs_is_enough(tmp_path: Path) -> None:
    with a_database() as url:
        with a_gateway(tmp_path, url) as gateway:  # the owner makes the tables
            assert act(gateway, "owner") == "done"
        with a_role(url) as of_role:
            role = of_role.partition("://")[2].partition("@")[0]
            for statement in GRANTS:
                ask(url, statement.format(role=role))
            with a_gateway(tmp_path, of_role) as gateway:
                assert act(gateway, "role") == "done"
                gateway.stop()
        assert holds(url)
