"""The report of shadow policies reads the whole record, page by page."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.audit.record import Entry
from callgate.cli.policy.shadow_report import shadow_report
from callgate.model import Flip, Verdict
from callgate.storage.settings import StoreSettings
from fakes.store import NOW, an_outcome
from fakes.writing import write


def outcome(number: int, *flips: Flip) -> Entry:
    verdict = Verdict(is_permitted=True, policies=("p1",), reason="permitted by p1", flips=flips)
    return an_outcome(f"c{number:03}", NOW, verdict=verdict)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    refuse = Flip(policy="night", would="refuse", reason="forbidden by night")
    entries = (outcome(n, *([refuse] if n % 2 else [])) for n in range(25))
    write(StoreSettings(path=tmp_path / "r.db"), *entries)
    return tmp_path / "r.db"


assert shadow_report.callback is not None


def run(*arguments: object) -> Result:
    return CliRunner().invoke(shadow_report, [str(argument) for argument in arguments])


def test_every_call_is_counted_once_over_all_pages(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[shadow_report.callback.__module__], "PAGE", 4)

    result = run("--store", store)

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "25 decisions looked at",
        "",
        "night: would refuse 12, would let through 0",
        "  tools: shop___refund 12",
        "  principals: ada 12",
        "  for example: c023, c021, c019, c017, c015; see `callgate explain`",
    ]


def test_as_json_and_only_one_policy(store: Path) -> None:
    said = json.loads(run("--store", store, "--json", "--policy", "other").output)

    assert said == {"decided": 25, "policies": []}


def test_a_time_without_calls_turns_nothing(store: Path) -> None:
    assert run("--store", store, "--until", "2020-01-01").output == (
        "0 decisions looked at\nno shadow policy would have turned any of them\n"
    )


def test_no_record_is_one_line(tmp_path: Path) -> None:
    result = run("--store", __file__)

    assert result.exit_code == 1 and "cannot be read" in result.output
