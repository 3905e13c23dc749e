"""The house rules that a machine can check. The two tables may only shrink."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "callgate"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "migrations" not in path.parts)
MOST_LINES = 400
MOST_PURPOSE_CHARACTERS = 100

# Modules longer than MOST_LINES, with their length today.
LONGER: dict[str, int] = {}

# Modules without a test file of their own, and what tests them instead.
TESTED_ELSEWHERE = {
    "__main__.py": "tests/e2e",
    "version.py": "tests/cli",
    "settings.py": "tests/config",
    "asgi.py": "the vocabulary: tests/serving, tests/downstream",
    "app/application.py": "tests/e2e",
    "app/clock.py": "nothing to test",
    "app/operators.py": "tests/e2e",
    "app/parts.py": "tests/e2e",
    "app/process.py": "tests/e2e",
    "app/signals.py": "tests/e2e",
    "audit/log_reader.py": "the vocabulary: tests/audit/test_verifying.py",
    "cli/run.py": "tests/e2e",
    "control/desk.py": "tests/control/test_policies.py",
    "downstream/dispatch.py": "tests/downstream/test_http.py",
    "exports/export.py": "the vocabulary: tests/exports/test_exporting.py",
    "interceptors/settings.py": "tests/config",
    "model.py": "the vocabulary: every test",
    "pipeline/gateway.py": "tests/pipeline/test_pipeline.py",
    "interceptors/faults.py": "nothing to test",
    "interceptors/pem.py": "tests/interceptors/test_webhook.py",
    "interceptors/kinds.py": "tests/config, tests/interceptors",
    "pipeline/attaching.py": "tests/pipeline/test_interception.py",
    "scrutiny.py": "the vocabulary: tests/pipeline/test_interception.py",
    "pipeline/stages.py": "tests/pipeline/test_pipeline.py",
    "ports.py": "the vocabulary: tests/contracts",
    "policy/names.py": "tests/policy/test_engine.py",
    "policy/plans.py": "tests/policy/test_engine.py",
    "policy/preview.py": "tests/policy/test_engine.py",
    "protocol/eras.py": "tests/protocol/test_mcp.py",
    "storage/database.py": "the vocabulary: tests/contracts",
    "storage/export_cursors.py": "tests/contracts/test_export_cursors.py",
}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_in_one_line_what_it_is_for(path: Path) -> None:
    purpose = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""

    first = purpose.splitlines()[0] if purpose else ""
    assert 0 < len(first) <= MOST_PURPOSE_CHARACTERS


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_enough_to_read(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())

    assert lines <= LONGER.get(name_of(path), MOST_LINES)


def test_every_module_has_a_test_file() -> None:
    missing = {
        name_of(path)
        for path in MODULES
        if path.name != "__init__.py" and not _test_file(path).exists()
    }

    assert missing == {name for name in TESTED_ELSEWHERE if (SOURCE / name).exists()}


def _test_file(path: Path) -> Path:
    relative = path.relative_to(SOURCE)
    return ROOT / "tests" / relative.with_name(f"test_{relative.name}")


def test_no_name_says_nothing() -> None:
    empty = {"utils", "helpers", "common", "misc", "base", "core", "manager", "service", "handler"}

    assert not {part for path in MODULES for part in (path.stem, path.parent.name) if part in empty}
