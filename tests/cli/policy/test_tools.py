"""`callgate policy tools` writes what other commands read."""

import json
from pathlib import Path

from fakes.desk import ask


def test_the_snapshot_is_written_and_found_current(desk: Path) -> None:
    written = ask("tools", "--output", "made.json")
    assert (written.exit_code, written.stdout) == (0, "")
    assert written.stderr.splitlines() == ["target shop: 2 tools", "wrote made.json: 2 tools"]
    assert [tool["name"] for tool in json.loads(Path("made.json").read_text())["shop"]] == [
        "refund",
        "report",
    ]
    assert ask("tools", "--output", "made.json", "--check").exit_code == 0
    assert ask("tools").stdout == Path("made.json").read_text()


def test_a_snapshot_that_is_no_longer_so_fails_the_check(desk: Path) -> None:
    checked = ask("tools", "--output", "tools.json", "--check")

    assert checked.exit_code == 1
    assert checked.stderr.endswith("tools.json is not what the targets offer now; write it again\n")


def test_a_silent_target_is_never_left_out_unasked(desk: Path) -> None:
    text = Path("callgate.yaml").read_text()
    gone = "targets:\n  gone: {command: [no-such-program]}"
    Path("callgate.yaml").write_text(text.replace("targets:", gone))

    failed = ask("tools", "--output", "made.json")
    assert failed.exit_code == 2
    assert "nothing is known of gone; --allow-silent leaves out such targets" in failed.stderr
    assert not Path("made.json").exists()
    written = ask("tools", "--allow-silent")
    assert written.exit_code == 0
    assert list(json.loads(written.stdout)) == ["shop"]


def test_a_check_needs_something_to_compare_with(desk: Path) -> None:
    assert ask("tools", "--check").exit_code == 2
