"""The lines by themselves; whole commands: test_calls."""

from __future__ import annotations

from callgate.cli.calls_table import aligned, cells_of, plain, widths_of
from callgate.model import Json

ERASED: dict[str, Json] = {
    "call": "c1", "at": "2026-09-21T14:13:20.000000Z", "erased": True,
    "code": "ok", "ran": None, "delivered": None,
}  # fmt: skip


def test_erased_call_is_a_line_like_others() -> None:
    cells = cells_of(ERASED)
    assert cells[:5] == ("2026-09-21 14:13:20.000Z", "c1", "erased", "-", "ok")
    assert len(plain([ERASED]).splitlines()) == 2


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    widths = widths_of([cells_of(ERASED)])
    assert aligned(cells_of(ERASED), widths).startswith("2026-09-21 14:13:20.000Z  c1    erased  ")


def test_nothing_in_a_cell_breaks_a_line() -> None:
    call = {**ERASED, "call": "c\n1", "name": "a\x1b[2J\u202eb\r", "principal": {"id": "x\ty"}}
    assert all(cell.isprintable() for cell in cells_of(call))
