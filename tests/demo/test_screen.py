"""What the demo prints."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from callgate.demo.directory import Demo
from callgate.demo.playing import Played
from callgate.demo.screen import (
    Refusal,
    outcome_of,
    program,
    show_calls,
    show_next,
    shown_path,
    why,
)
from callgate.demo.story import Step

URL = "http://127.0.0.1:8080/mcp"


def a_demo(directory: Path) -> Demo:
    directory.mkdir()
    (directory / "call.sh").write_text(f"curl {URL}")
    return Demo(path=directory, keys={}, is_new=True)


def printed(demo: Demo, url: str = URL, *, is_up: bool) -> str:
    out = io.StringIO()
    refused = Refusal(number=7, id="c01a20389fa31458")
    show_next(Console(file=out, width=60, highlight=False), demo, url, refused, is_up=is_up)
    return out.getvalue()


def test_a_permitted_call_names_its_policies_and_what_interceptors_did() -> None:
    call = {
        "code": "ok",
        "decision": {"reason": "permitted by readers"},
        "changes": [{"phase": "request", "interceptor": "cap", "note": "500 -> 3"}],
    }

    assert outcome_of(call)[0] == "rewritten"
    assert why(call) == "permitted by readers; cap: 500 -> 3"


def test_a_forbidden_call_names_the_policy_and_what_the_agent_is_told() -> None:
    call = {
        "code": "not_permitted",
        "reason": "Policy does not permit this call. Ask a lead.",
        "detail": "forbidden by large",
    }

    assert outcome_of(call)[0] == "refused"
    assert why(call) == 'forbidden by large; the agent is told: "Ask a lead."'


def test_a_call_nobody_permits_says_just_that() -> None:
    call = {
        "code": "not_permitted",
        "reason": "Policy does not permit this call.",
        "detail": "no policy permits this call",
    }

    assert why(call) == "no policy permits this call"


def test_any_other_refusal_says_its_reason() -> None:
    call = {"code": "invalid_arguments", "reason": "The argument /amount does not fit."}

    assert why(call) == "The argument /amount does not fit."


def test_the_table_shows_arguments_in_short_and_reads_nothing_as_markup() -> None:
    call: dict[str, Any] = {"code": "ok", "decision": {"reason": "permitted by [red]x[/red]"}}
    step = Step(tool="shop___refund", arguments={"order": "A-1", "amount": 5})
    out = io.StringIO()

    played = Played(step=step, call=call, problems=())
    show_calls(Console(file=out, width=100), [played], first=3)

    assert "order=A-1, amount=5" in out.getvalue()
    assert "permitted by [red]x[/red]" in out.getvalue()
    assert "\n3 " in out.getvalue()


def test_commands_are_whole_lines_however_narrow_the_screen(tmp_path: Path) -> None:
    demo = a_demo(tmp_path / "demo")

    lines = printed(demo, is_up=True).splitlines()

    command = next(line for line in lines if "explain" in line)
    assert command.endswith(f"explain c01a20389fa31458 --config {demo.config}")


def test_a_gateway_that_is_down_is_to_be_started_first(tmp_path: Path) -> None:
    demo = a_demo(tmp_path / "demo")

    text = printed(demo, is_up=False)

    assert text.index(f"run --config {demo.config}") < text.index("call.sh sam")
    assert " run --config" not in printed(demo, is_up=True)


def test_a_gateway_on_another_port_is_called_there(tmp_path: Path) -> None:
    demo = a_demo(tmp_path / "demo")

    assert "CALLGATE_URL" not in printed(demo, is_up=True)
    assert "CALLGATE_URL=http://127.0.0.1:9/mcp " in printed(
        demo, "http://127.0.0.1:9/mcp", is_up=True
    )


def test_no_key_is_printed(tmp_path: Path) -> None:
    demo = a_demo(tmp_path / "demo")

    assert "cgk_" not in printed(demo, is_up=True)
    assert "keys.env" in printed(demo, is_up=True)


def test_paths_are_shown_as_short_as_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert shown_path(tmp_path / "demo") == "demo"
    assert shown_path(Path("demo")) == "demo"
    assert shown_path(tmp_path.parent) == str(tmp_path.parent)


def test_a_program_in_this_directory_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ".venv" / "bin"
    place.mkdir(parents=True)
    (place / "callgate").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(place / "python"))

    assert program() == ".venv/bin/callgate"
