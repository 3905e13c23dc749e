"""The call path is shown as it runs, with those who are asked on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.stages import stages
from callgate.pipeline.pipeline import STAGES
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome
from fakes.writing import write

CONFIG = """
targets: {git: {python: x}}
interceptors:
  - {name: cap, python: "hooks:cap", tools: [git___log], timeout_seconds: 2}
  - name: desk
    webhook: {url: "https://desk.example/", secret: "${env:NOT_SET_ANYWHERE}"}
    on: [request, result, message]
    targets: [git]
    when: |
      principal in
        Callgate::Group::"contractors"
    on_failure: allow
  - {name: seen, python: "hooks:seen", on: [error, list], mode: observe, methods: [tools/call]}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")


def run(*words: str) -> Result:
    return CliRunner().invoke(stages, words)


def test_the_stages_are_shown_in_running_order() -> None:
    lines = run().stdout.splitlines()

    assert [line.split()[0] for line in lines[1:]] == [stage.__name__ for stage in STAGES]


def test_no_calls_at_all_are_no_profile() -> None:
    assert run("--profile", "--last", "-5").exit_code == 2


def test_interceptors_are_shown_where_they_are_asked_without_secrets_or_a_gateway() -> None:
    Path("callgate.yaml").write_text(CONFIG)

    result = run("--interceptors")

    assert result.exit_code == 0, result.output
    told = [line.strip() for line in result.stdout.splitlines()]
    after = told.index
    request = next(n for n, line in enumerate(told) if line.startswith("intercept_request"))
    assert told[request + 1 : request + 4] == [
        "1.  cap   python   request  git___log    2 s  on failure refuse",
        "2.  desk  webhook  request  targets git  5 s  on failure allow",
        'when principal in Callgate::Group::"contractors"',
    ]
    assert after("2.  desk  webhook  message  targets git  5 s  on failure allow") > request
    assert told[-6:-2] == [
        "intercept_response  Filter, redact, withhold: what came back, also where it is an error or an answer.",
        "2.  desk  webhook  result  targets git         5 s  on failure allow",
        'when principal in Callgate::Group::"contractors"',
        "3.  seen  python   error   methods tools/call  5 s  only observes",
    ]
    assert told[-1] == "3.  seen  python  list  methods tools/call  5 s  only observes"


def test_json_has_every_setting_that_is_no_secret() -> None:
    Path("callgate.yaml").write_text(CONFIG)

    told = {one["stage"]: one for one in json.loads(run("--interceptors", "--json").stdout)}

    assert list(told) == [*(stage.__name__ for stage in STAGES), "lists"]
    assert told["intercept_request"]["interceptors"][1] == {
        "number": 2,
        "name": "desk",
        "kind": "webhook",
        "points": ["request"],
        "targets": ["git"],
        "tools": None,
        "methods": None,
        "when": 'principal in\n  Callgate::Group::"contractors"\n',
        "mode": "enforce",
        "timeout_seconds": 5.0,
        "on_failure": "allow",
        "max_concurrent": 64,
        "headers": [],
        "enriches": {},
    }
    assert told["identify"]["interceptors"] == []
    assert "interceptors" not in json.loads(run("--json").stdout)[0]


def test_a_configuration_without_any_says_so_and_a_missing_one_too() -> None:
    missing = run("--interceptors")
    Path("callgate.yaml").write_text("gateway: {}\n")

    assert run("--interceptors").stdout.endswith("The configuration has no interceptors.\n")
    assert missing.exit_code == 2 and "cannot be read" in missing.stderr


@pytest.mark.parametrize("words", [[], ["--interceptors"]])
def test_the_time_that_stages_took_is_told(words: list[str]) -> None:
    Path("callgate.yaml").write_text("store: {path: r.db}\n")
    write(StoreSettings(path=Path("r.db")), an_outcome("c1"), an_outcome("c2"))

    shown = run("--profile", *words).stdout
    told = json.loads(run("--profile", "--json", *words).stdout)

    forward = next(line for line in shown.splitlines() if line.startswith("forward"))
    assert "11500" in forward
    assert {one["stage"]: one.get("median_us") for one in told}["forward"] == pytest.approx(11500)
    assert {one["stage"]: one.get("calls") for one in told}["resolve"] == 0
