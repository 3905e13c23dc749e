"""What the options of `hold` and `erase` mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from callgate.audit.selecting import NAMES, Selector
from callgate.cli.audit.desk import covers_of, gateway_of, here, selector_from
from callgate.ports import StoreError

NOTHING: dict[str, Any] = {
    **dict.fromkeys((*NAMES, "since", "until", "config", "store", "url", "operator")),
    "everything": False,
    "offline": True,
}


def test_all_options_together_say_what_is_meant() -> None:
    selector = selector_from({**NOTHING, "principal": "a*", "since": 1.0})
    assert selector == Selector(principal="a*", since=1.0)
    assert covers_of(selector) == {"principal": "a*", "since": 1.0}


def test_everything_must_be_said() -> None:
    everything = selector_from({**NOTHING, "everything": True})
    assert covers_of(everything) == "everything"
    with pytest.raises(click.UsageError, match="--everything"):
        selector_from(NOTHING)


def test_a_gateway_knows_its_record_itself() -> None:
    assert gateway_of(NOTHING) is None
    with pytest.raises(click.UsageError, match="--offline"):
        gateway_of({**NOTHING, "offline": False, "store": "r.db"})


def test_a_record_that_cannot_be_written_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_text("this is no database, however long it is")

    def fail(*_: object) -> None:
        raise StoreError("nothing comes so far")

    with pytest.raises(click.ClickException) as raised:
        here({**NOTHING, "store": str(tmp_path / "r.db")}, fail)
    assert raised.value.exit_code == 2
