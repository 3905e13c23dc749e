"""What the record says of the gateway itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from callgate.app.application import Application
from callgate.app.chronicle import Chronicle, changes
from callgate.app.parts import PartError
from callgate.audit.record import content_of
from callgate.config import load_config
from callgate.model import Proof, Tool
from callgate.pipeline.pipeline import govern
from callgate.ports import CallFilter
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.application import CONFIG, PERMIT, STORED, applied, written
from fakes.calls import a_call, a_tool
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeCaller

ANY = '@id("all") permit(principal, action, resource);'
INTERCEPTED = """interceptors:
  - {name: small, on: [request], size: {max_argument_bytes: 1000}, mode: observe}
"""


def record_of(directory: Path) -> Records:
    return Records(StoreSettings(path=directory / "callgate.db"))


def events(directory: Path, *names: str) -> list[dict[str, Any]]:
    return list(record_of(directory).events(names))


def test_a_start_and_a_stop_are_recorded_with_what_is_in_force(tmp_path: Path) -> None:
    written(tmp_path, CONFIG + STORED + INTERCEPTED, p=PERMIT)

    async def scenario(application: Application) -> str:
        return application.gateway.engine.version

    version = applied(tmp_path, scenario)

    started, config, policies, stopped = events(
        tmp_path, "gateway_started", "config_in_force", "policies_in_force", "gateway_stopped"
    )
    assert (started["event"], stopped["event"]) == ("gateway_started", "gateway_stopped")
    assert started["record"]["seq"] == 0
    assert config["sha256"] == load_config(tmp_path / "callgate.yaml").digest
    assert (config["mode"], config["targets"]) == ("enforce", {"names": ["shop"]})
    (small,) = config["interceptors"]
    assert (small["name"], small["kind"], small["mode"]) == ("small", "size", "observe")
    assert (policies["version"], policies["mode"]) == (version, "enforce")
    defined = record_of(tmp_path).defined(f"policies:{version}")
    assert defined is not None
    assert (defined["namespace"], defined["gateway"]) == ("Callgate", "main")
    assert defined["policies"] == [
        {"id": "refunds", "source": "p.cedar", "line": 1, "text": PERMIT.strip()}
    ]


def test_a_changed_configuration_is_recorded_by_its_keys_and_never_by_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNTER", "hunter2-and-more-of-it")
    written(tmp_path, CONFIG + STORED, p=ANY)
    changed = """\
identity: {anonymous: {id: ada}}
targets:
  other: {url: "http://127.0.0.1:9/mcp", headers: {X-Key: "${env:HUNTER}"}}
policies: {store: true, mode: observe}
store: {mask: [card.number]}
"""

    async def scenario(application: Application) -> None:
        before = application.config.digest
        written(tmp_path, changed, p=ANY)
        await application.reload()
        assert application.config.digest != before

    applied(tmp_path, scenario)

    first, second = events(tmp_path, "config_in_force")
    assert second["before"] == first["sha256"]
    assert {"policies.mode", "store.mask"} <= set(second["changed"])
    assert second["from_next_start"] == ["store.mask"]
    assert second["targets"] == {"names": ["other"], "added": ["other"], "removed": ["shop"]}
    assert second["blocks"]["identity"] == first["blocks"]["identity"]
    assert second["blocks"]["targets"] != first["blocks"]["targets"]
    told = (tmp_path / "callgate.db").read_bytes()
    assert b"hunter2" not in told
    assert b"HUNTER" not in told
    modes = [one["mode"] for one in events(tmp_path, "policies_in_force")]
    assert modes == ["enforce", "observe"]


def test_other_rules_of_retention_count_with_the_reload_and_the_record_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, CONFIG + "store: {retention: [{class: payloads, keep: 30d}]}\n", p=ANY)
    changed = CONFIG + "store: {retention: [{class: payloads, keep: 9y}]}\n"

    async def scenario(application: Application) -> None:
        written(tmp_path, changed, p=ANY)
        await application.reload()
        (rule,) = application.config.store.retention
        assert rule.keep == "9y"

    applied(tmp_path, scenario)

    _, second = events(tmp_path, "config_in_force")
    assert second["changed"] == ["store.retention"]
    assert "from_next_start" not in second
    assert "restart the gateway" not in caplog.text


def test_who_only_looks_leaves_no_trace(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def look() -> None:
        application = Application(load_config(tmp_path / "callgate.yaml"))
        await application.start_targets()
        await application.report_findings()
        await application.stop_targets()

    asyncio.run(look())
    assert not (tmp_path / "callgate.db").exists()


def test_what_targets_list_first_is_recorded_once(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> str:
        tool = application.catalog.find("shop", "refund")
        assert tool is not None
        return tool.digest

    digest = applied(tmp_path, scenario)

    (listed,) = events(tmp_path, "tool_changed")
    assert (listed["target"], listed["is_first"], listed["appeared"]) == ("shop", True, 1)
    assert listed["tools"] == [{"tool": "refund", "change": "appeared", "after": digest}]


def test_a_call_without_session_goes_on_in_its_run_after_a_restart(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        gateway = application.gateway
        call = a_call(
            id=gateway.new_call_id(),
            received_at=gateway.clock.now(),
            proof=Proof(is_loopback=True),
            arguments={"customer": "c", "amount": 1},
        )
        await govern(call, gateway, FakeCaller())

    applied(tmp_path, scenario)
    applied(tmp_path, scenario)

    calls = record_of(tmp_path).calls(CallFilter()).calls
    assert len(calls) == 2
    assert len({call["run"] for call in calls}) == 1


def told(store: FakeCallStore, name: str = "tool_changed") -> list[dict[str, Any]]:
    return [content_of(entry) for entry in store.events if entry.code == name]


def begun(store: FakeCallStore, path: Path) -> Chronicle:
    written(path, p=PERMIT)
    chronicle = Chronicle(store, FakeClock())
    chronicle._has_begun = True
    return chronicle


def seen(chronicle: Chronicle, *lists: Sequence[Tool]) -> None:
    for tools in lists:
        chronicle.tools("shop", tools)


def test_tools_that_appear_change_and_vanish_are_recorded_with_their_definitions(
    tmp_path: Path,
) -> None:
    store = FakeCallStore()
    kept, old, new = a_tool(name="kept"), a_tool(name="a"), a_tool(name="a", description="evil")
    gone, come = a_tool(name="gone"), a_tool(name="come")

    seen(begun(store, tmp_path), [kept, old, gone], [kept, old, gone], [kept, new, come])

    first, second = told(store)
    assert (first["is_first"], second["is_first"]) == (True, False)
    assert second["tools"] == [
        {"tool": "a", "change": "changed", "before": old.digest, "after": new.digest},
        {"tool": "come", "change": "appeared", "after": come.digest},
        {"tool": "gone", "change": "vanished", "before": gone.digest},
    ]
    assert (second["appeared"], second["changed"], second["vanished"]) == (1, 1, 1)
    defined = {one["sha256"]: one["definition"] for one in told(store, "tool_defined")}
    assert defined.keys() == {old.digest, new.digest, gone.digest, come.digest}
    assert defined[new.digest]["description"] == "evil"


def test_events_that_cannot_be_recorded_are_said_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FakeCallStore()
    chronicle = begun(store, tmp_path)
    asyncio.run(store.close())
    seen(chronicle, [a_tool()], [])
    chronicle.note("x", {})

    assert "the record does not say tool_changed: the record is closed" in caplog.text
    assert "the record does not have shop___refund" in caplog.text


def test_no_policies_come_into_force_that_the_record_does_not_have(tmp_path: Path) -> None:
    store = FakeCallStore()
    chronicle = begun(store, tmp_path)
    store.fail("disk full")
    with pytest.raises(PartError, match="the record cannot hold them now: disk full"):
        asyncio.run(chronicle.define(a_gateway().engine))


def test_policies_are_defined_once_for_each_world_they_are_read_in(tmp_path: Path) -> None:
    store = FakeCallStore()
    chronicle = begun(store, tmp_path)
    engine = a_gateway().engine

    async def play() -> None:
        await chronicle.define(engine)
        await chronicle.define(engine)
        engine.is_enforced = False
        await chronicle.define(engine)

    asyncio.run(play())
    assert [one["mode"] for one in told(store, "policies_defined")] == ["enforce", "observe"]


def test_what_was_only_counted_is_told_before_the_end(tmp_path: Path) -> None:
    store = FakeCallStore()
    chronicle = begun(store, tmp_path)
    chronicle.at_end(lambda: chronicle.note("counted", {}))
    chronicle.end()
    chronicle.note("late", {})

    assert [entry.code for entry in store.events] == ["counted", "gateway_stopped"]


def test_changed_settings_are_named_by_their_dotted_keys() -> None:
    before = {"a": {"b": 1, "c": [1]}, "d": 1, "same": {"x": [1]}}
    after = {"a": {"b": 2, "c": [2]}, "e": None, "same": {"x": [1]}, "f": {"g": 1}}

    assert list(changes(before, after)) == ["a.b", "a.c", "d", "f"]
