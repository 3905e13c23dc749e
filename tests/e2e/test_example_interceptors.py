"""The example with tests of its own: they pass as users run them, and it runs as its README says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.test_examples import code, copied, example, reason

pytestmark = pytest.mark.e2e


def test_its_tests_pass_with_nothing_but_callgate_and_pytest(tmp_path: Path) -> None:
    place = copied("interceptors", tmp_path)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=place,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_and_a_changed_interceptor_is_tried_on_a_call_that_was_made(
    tmp_path: Path,
) -> None:
    with example("interceptors", tmp_path) as gateway:
        _, rounded = gateway.call("shop___refund", customer="c-1", amount=9.999)
        _, often = gateway.call("shop___refund", customer="c-2", amount=5)
        _, unknown = gateway.call("shop___refund", customer="c-9", amount=5)
        _, customer = gateway.call("shop___customer", customer="c-1")
        hooks = gateway.directory / "hooks.py"
        since = len(gateway.log)
        hooks.write_text(hooks.read_text().replace("round(asked, 2)", "round(asked, 0)"))
        gateway.await_log("is in force", since=since)
        _, whole = gateway.call("shop___refund", customer="c-1", amount=9.6)
        calls = gateway.calls(5)
        first = calls[-1]["call"]
        tried = gateway.callgate("interceptor", "run", "whole_cents", "--call", first)
        shown = gateway.callgate("stages", "--interceptors")

    codes = [code(one) for one in (rounded, often, unknown, customer, whole)]
    assert codes == ["ok", "not_permitted", "refused_by_interceptor", "ok", "ok"]
    assert (reason(rounded), reason(whole)) == ('{"refunded":10.0}', '{"refunded":10.0}')
    assert "Byron" not in str(customer)
    assert tried.startswith("whole_cents (python) on the request of shop___refund by ada\n")
    assert "2.  history" in shown and "hide_address" in shown
