"""Functions become tools by their signatures; what they raise says no more than it should."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.model import Features, Ran, Tool
from callgate.ports import TargetError, TargetRequest
from callgate.protocol.methods import method_tool
from callgate.upstream import functions
from callgate.upstream.functions import LoadError, PythonConnector, PythonTargetSettings
from fakes.clock import FakeClock
from fakes.passing import let_pass
from fakes.store import until
from fakes.target import FakeCaller

MODULE = '''
"""A module of tools."""
import asyncio, sys, threading
from dataclasses import dataclass
from typing import Annotated, Literal
from pydantic import BaseModel, Field
from callgate.upstream.functions import ToolFault

class Order(BaseModel):
    id: str
    amount: float = 0.0

@dataclass
class Receipt:
    number: int

def refund(
    customer: Annotated[str, Field(description="Who gets it.", min_length=1)],
    amount: int = 5,
    kind: Literal["full", "part"] = "part",
) -> dict[str, int | str]:
    """Gives money back.

    And this is for developers.
    """
    return {"customer": customer, "amount": amount}

refund.__callgate__ = {"destructiveHint": True}

async def whisper(text: str) -> str:
    await asyncio.sleep(0)
    return text.lower()

def take(order: Order) -> Receipt:
    return Receipt(number=len(order.id))

def odd(schema: int, json: str, model_x: int = 1, copy: bool = False) -> list[int]:
    return [schema, model_x]

def nothing() -> None:
    """Does nothing."""

def untyped(x, y=2):
    return {"x": x, "y": y}

def faults(): raise ToolFault("There is no such customer.")
def breaks(): raise RuntimeError("password=hunter2")
def repeats(note: str, pin: int): raise RuntimeError(f"{note!r} {pin}") from KeyError(note)
def exits(): sys.exit(3)
async def exits_async(): sys.exit(3)
def not_json(): return object()
def where(): return threading.current_thread().name
def stuck(): begun.set(); may_end.wait(60)
async def stuck_async(): begun.set(); await asyncio.Event().wait()
def _private(): ...
CONSTANT = 1
begun, may_end = threading.Event(), threading.Event()
'''


def write(directory: Path, name: str, text: str = MODULE) -> PythonTargetSettings:
    (directory / f"{name}.py").write_text(text)
    return PythonTargetSettings(python=name, path=directory)


@pytest.fixture
def connector(tmp_path: Path, request: pytest.FixtureRequest) -> PythonConnector:
    name = "tools_" + str(abs(hash(request.node.name)))
    return PythonConnector("shop", write(tmp_path, name), FakeClock())


def a_request(tool: str, arguments: Any = None, seconds: float = 60.0) -> TargetRequest:
    return TargetRequest(
        call_id="c1",
        tool=Tool(target="shop", name=tool, definition={}, digest=""),
        params=b"{}",
        arguments=json.dumps(arguments or {}).encode(),
        timeout_seconds=seconds,
    )


def call(connector: PythonConnector, tool: str, arguments: Any = None) -> dict[str, Any]:
    async def scenario() -> bytes:
        return (await connector.call(a_request(tool, arguments), FakeCaller())).body

    result = json.loads(asyncio.run(scenario()))
    assert isinstance(result, dict)
    return result


def definition(connector: PythonConnector, name: str) -> dict[str, Any]:
    listing = asyncio.run(connector.list_tools())
    return next(tool for tool in listing.tools if tool["name"] == name)


def text_of(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"])


def test_a_signature_becomes_a_definition(connector: PythonConnector) -> None:
    assert definition(connector, "refund") == {
        "name": "refund",
        "description": "Gives money back.",
        "inputSchema": {
            "type": "object",
            "additionalProperties": False,
            "required": ["customer"],
            "properties": {
                "customer": {
                    "title": "Customer",
                    "type": "string",
                    "minLength": 1,
                    "description": "Who gets it.",
                },
                "amount": {"title": "Amount", "type": "integer", "default": 5},
                "kind": {
                    "title": "Kind",
                    "type": "string",
                    "enum": ["full", "part"],
                    "default": "part",
                },
            },
        },
        "outputSchema": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        },
        "annotations": {"destructiveHint": True},
    }
    assert "outputSchema" not in definition(connector, "whisper")
    assert definition(connector, "take")["outputSchema"]["required"] == ["number"]


def test_only_public_functions_of_the_module_are_tools(connector: PythonConnector) -> None:
    names = [tool["name"] for tool in asyncio.run(connector.list_tools()).tools]
    assert names[:3] == ["refund", "whisper", "take"]
    assert not {"_private", "CONSTANT", "Order", "Field", "ToolFault", "dataclass"} & set(names)
    assert connector.status.is_ready
    assert connector.status.tools == len(names)


def test_a_list_of_names_chooses_also_what_comes_from_elsewhere(tmp_path: Path) -> None:
    text = (
        "from os.path import basename\n"
        "__all__ = ['basename', 'other']\n"
        "def other(): ...\n"
        "def unlisted(): ...\n"
    )
    settings = write(tmp_path, "chosen_tools", text)
    listing = asyncio.run(PythonConnector("x", settings, FakeClock()).list_tools())
    assert [tool["name"] for tool in listing.tools] == ["basename", "other"]


@pytest.mark.parametrize(
    ("tool", "arguments", "structured", "text"),
    [
        ("refund", {"customer": "ada"}, {"customer": "ada", "amount": 5}, None),
        ("whisper", {"text": "HI"}, None, "hi"),
        ("take", {"order": {"id": "abc"}}, {"number": 3}, '{"number":3}'),
        ("odd", {"schema": 1, "json": "x", "model_x": 7}, None, "[1,7]"),
        ("nothing", {}, None, "null"),
        ("untyped", {"x": [1]}, {"x": [1], "y": 2}, None),
    ],
)
def test_a_call_is_typed_and_its_value_told(
    connector: PythonConnector, tool: str, arguments: Any, structured: Any, text: str | None
) -> None:
    result = call(connector, tool, arguments)
    assert result.get("structuredContent") == structured
    assert "isError" not in result
    if text is not None:
        assert text_of(result) == text


def test_plain_functions_run_in_threads(connector: PythonConnector) -> None:
    assert text_of(call(connector, "where")).startswith("target-shop")
    assert threading.current_thread().name == "MainThread"


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("faults", {}, "There is no such customer."),
        ("breaks", {}, "internal error in breaks"),
        ("exits", {}, "internal error in exits"),
        ("exits_async", {}, "internal error in exits_async"),
        ("take", {"order": {"id": 7}}, "The argument /order/id is not right: Input should be"),
        ("refund", {}, "The argument /customer is not right: Field required"),
        ("refund", {"customer": "a", "x": 1}, "The argument /x is not right"),
    ],
)
def test_a_failure_is_a_tool_result_that_says_no_more_than_it_should(
    connector: PythonConnector, tool: str, arguments: Any, text: str
) -> None:
    result = call(connector, tool, arguments)
    assert result["isError"] is True
    assert text_of(result).startswith(text)
    assert "hunter2" not in json.dumps(result)


def test_what_a_function_failed_on_is_logged_without_its_arguments(
    connector: PythonConnector, caplog: pytest.LogCaptureFixture
) -> None:
    call(connector, "repeats", {"note": "hunter2\x1b's", "pin": 123456})
    (said,) = [vars(record)["exception"] for record in caplog.records]
    assert "KeyError: " in said
    assert said.rstrip().endswith("*** ***") or said.rstrip().endswith('***" ***')
    assert "hunter2" not in said
    assert "123456" not in said


def test_a_value_that_is_no_json_is_the_targets_fault(connector: PythonConnector) -> None:
    with pytest.raises(TargetError) as raised:
        call(connector, "not_json")
    assert (raised.value.code, raised.value.ran) == ("target_protocol_error", Ran.YES)


def test_an_unknown_function_did_not_run(connector: PythonConnector) -> None:
    with pytest.raises(TargetError) as raised:
        call(connector, "unheard_of")
    assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)


async def event_in(connector: PythonConnector, name: str) -> threading.Event:
    """One of those in the module, which is loaded then."""
    await connector.list_tools()
    assert connector._functions is not None
    event = connector._functions["stuck"].call.__globals__[name]
    assert isinstance(event, threading.Event)
    return event


@pytest.mark.parametrize("tool", ["stuck", "stuck_async"])
def test_a_call_that_takes_too_long_may_have_run(connector: PythonConnector, tool: str) -> None:
    async def scenario() -> None:
        begun, may_end = [await event_in(connector, name) for name in ("begun", "may_end")]
        waiting = asyncio.ensure_future(connector.call(a_request(tool), FakeCaller()))
        await until(begun.is_set)
        let_pass(connector._faults.deadlines, 61.0)
        with pytest.raises(TargetError) as raised:
            await waiting  # and not for the function's end
        assert (raised.value.code, raised.value.ran) == ("target_timeout", Ran.UNKNOWN)
        may_end.set()

    asyncio.run(scenario())


def test_a_call_that_never_got_a_thread_did_not_run(
    connector: PythonConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector._threads, "_most", 1)

    async def scenario() -> None:
        begun, may_end = [await event_in(connector, name) for name in ("begun", "may_end")]
        first = asyncio.ensure_future(
            connector.call(a_request("stuck", seconds=600.0), FakeCaller())
        )
        await until(begun.is_set)
        second = asyncio.ensure_future(connector.call(a_request("where"), FakeCaller()))
        await asyncio.sleep(0)
        let_pass(connector._faults.deadlines, 61.0)
        with pytest.raises(TargetError) as raised:
            await second
        assert (raised.value.code, raised.value.ran) == ("target_timeout", Ran.NO)
        may_end.set()
        await first

    asyncio.run(scenario())


def test_a_closed_target_takes_no_calls(connector: PythonConnector) -> None:
    async def scenario() -> None:
        await connector.start()
        await connector.close()
        with pytest.raises(TargetError) as raised:
            await connector.call(a_request("where"), FakeCaller())
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("x = 1", "no public functions"),
        ("def f(*args): ...", "args cannot be passed by name"),
        ("def f(x, /): ...", "x cannot be passed by name"),
        ("def f(x: 'Nope'): ...", "cannot become a tool"),
        ("import threading\ndef f(x: threading.Lock): ...", "cannot become a tool"),
    ],
)
def test_a_module_that_cannot_be_used_says_why(tmp_path: Path, text: str, reason: str) -> None:
    settings = write(tmp_path, f"broken_{abs(hash(text))}", text)
    with pytest.raises(LoadError, match=reason):
        functions.load_functions(settings.python, settings.path)


def test_a_module_that_is_mended_is_loaded_at_the_next_try(tmp_path: Path) -> None:
    settings = write(tmp_path, "mended_tools", "1 / 0")
    connector = PythonConnector("x", settings, FakeClock())
    with pytest.raises(TargetError) as raised:
        asyncio.run(connector.list_tools())
    assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
    assert "ZeroDivisionError" in connector.status.detail
    write(tmp_path, "mended_tools", "def works(): return 1")
    assert len(asyncio.run(connector.list_tools()).tools) == 1
    assert connector.status.detail == ""


def test_a_module_beside_the_configuration_wins_over_one_of_its_name_from_elsewhere(
    tmp_path: Path,
) -> None:
    for place, name in (("one", "first"), ("two", "second"), ("one", "first")):
        directory = tmp_path / place
        directory.mkdir(exist_ok=True)
        (directory / "same_name_tools.py").write_text(f"def {name}(): return 1")

        assert list(functions.load_functions("same_name_tools", directory)) == [name]


@pytest.mark.parametrize(
    "settings", [{"python": ""}, {"python": "a-b"}, {"python": "a..b"}, {"python": "a", "x": 1}]
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PythonTargetSettings(**settings)


def test_functions_can_be_called_and_nothing_else(connector: PythonConnector) -> None:
    async def scenario() -> None:
        assert await connector.features() == Features(capabilities={"tools": {}})
        request = TargetRequest(call_id="c", tool=method_tool("shop", "prompts/list"), params=b"{}")
        reply = await connector.call(request, FakeCaller())
        assert reply.is_error
        assert json.loads(reply.body)["code"] == -32601
        forget = connector.on_change(lambda what: None)
        forget()
        await connector.release("anybody")

    asyncio.run(scenario())
