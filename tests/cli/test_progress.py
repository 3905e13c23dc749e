"""A bar is for people at a terminal; what goes into a file or a pipe has none."""

import pytest

from callgate.cli.progress import progress


def test_without_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("replaying") as (begin, tell):
        begin(10)
        tell(10)

    assert capsys.readouterr() == ("", "")


def test_at_a_terminal_it_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")

    with progress("replaying") as (begin, tell):
        begin(10)
        tell(10)

    out, err = capsys.readouterr()
    assert out == ""
    assert "replaying" in err
    assert "10/10" in err
