"""A shadow policy becomes an active one, and nothing else of its text changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.promotion import promoted
from callgate.policy.source import read_policies

HEAD = "permit(principal, action, resource)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'@mode("shadow")\n{HEAD};', f"{HEAD};"),
        (f'@mode("shadow") {HEAD};', f"{HEAD};"),
        (f'@id("a")\n@mode("shadow")\n@reason("r")\n{HEAD};', f'@id("a")\n@reason("r")\n{HEAD};'),
        (f'@id("a") @mode("shadow")\n{HEAD};', f'@id("a")\n{HEAD};'),
        (f'@id("a") @mode("shadow") {HEAD};', f'@id("a") {HEAD};'),
        (f'@id("a")\r\n  @mode ( "shadow" )\r\n{HEAD};', f'@id("a")\r\n{HEAD};'),
        (f'@id("a")@mode("shadow"){HEAD};', f'@id("a"){HEAD};'),
        (
            f'@note("@mode(\\"shadow\\")") // @mode("shadow")\n@mode("shadow")\n{HEAD};',
            f'@note("@mode(\\"shadow\\")") // @mode("shadow")\n{HEAD};',
        ),
        (f'{HEAD} when {{ context.mode == "shadow" }};', f'{HEAD} when {{ context.mode == "shadow" }};'),
        (f'@permit("x") @mode("shadow") {HEAD};', f'@permit("x") {HEAD};'),
    ],
)  # fmt: skip
def test_only_the_annotation_goes(text: str, expected: str) -> None:
    assert promoted(text) == expected


SPACE = st.sampled_from(["", " ", "\n", "\r\n", "\t", " // note\n", "\n\n  "])
OTHERS = ['@id("a")', '@reason("@mode(\\"shadow\\") permit")', '@when("x")', '@forbid("y")']


@given(st.permutations([*OTHERS, '@mode("shadow")']), st.lists(SPACE, min_size=6, max_size=6))
def test_wherever_it_stands_only_the_mode_changes(
    annotations: list[str], spaces: list[str]
) -> None:
    text = "".join(space + one for space, one in zip(spaces, annotations, strict=False))
    text = f"{text}{spaces[5]}{HEAD} when {{ context.input.mode == 1 }};".lstrip()
    (before,) = read_policies([("p", text)])

    (after,) = read_policies([("p", promoted(before.text))])

    assert (before.mode, after.mode) == ("shadow", "active")
    kept = {name: said for name, said in before.est["annotations"].items() if name != "mode"}
    assert after.est == {**before.est, "annotations": kept}
    assert promoted(after.text) == after.text
