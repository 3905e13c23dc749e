"""A swap of policies beside running calls."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from callgate.app.application import Application
from callgate.app.parts import PartError
from callgate.app.swapping import TURN_SECONDS, loaded, short_turns
from callgate.policy.succession import pairs_of
from fakes.application import PERMIT, applied, may_refund, written


def test_turns_are_short_and_nothing_is_collected_only_meanwhile() -> None:
    before = (sys.getswitchinterval(), gc.isenabled())

    async def scenario() -> tuple[float, bool]:
        async with short_turns():
            return sys.getswitchinterval(), gc.isenabled()

    turn, is_collecting = asyncio.run(scenario())
    assert (round(turn, 6), is_collecting) == (TURN_SECONDS, False)
    assert (sys.getswitchinterval(), gc.isenabled()) == before
    gc.unfreeze()


def test_what_fails_to_load_leaves_no_trace_but_its_reason() -> None:
    before = (sys.getswitchinterval(), gc.isenabled())

    def fail() -> object:
        raise PolicyLoadError

    with pytest.raises(PolicyLoadError):
        asyncio.run(loaded(fail))  # type: ignore[arg-type] # it gives nothing
    assert (sys.getswitchinterval(), gc.isenabled()) == before
    gc.unfreeze()


class PolicyLoadError(Exception):
    pass


def test_only_the_engine_is_another_and_it_knows_who_asks(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        assert may_refund(application, 200)
        before = application.gateway
        written(tmp_path, p=PERMIT.replace("500", "100"))
        await application.change_policies()
        after = application.gateway

        assert (after.catalog, after.authenticator, after.chain) == (
            before.catalog,
            before.authenticator,
            before.chain,
        )
        assert len(pairs_of(after.engine)) == 1
        assert not may_refund(application, 200)

    applied(tmp_path, scenario)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("permit(", "policies: p.cedar:1:7: not valid Cedar"),
        (PERMIT.replace("<= 500", '<= "x"'), "refunds: does not fit shop___refund"),
    ],
)
def test_policies_that_cannot_be_used_change_nothing(tmp_path: Path, text: str, said: str) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        before = application.gateway
        written(tmp_path, p=text)
        with pytest.raises(PartError, match=said.replace("(", r"\(")):
            await application.change_policies()

        assert application.gateway is before
        assert said in (application.reload_problem or "")
        written(tmp_path, p=PERMIT)
        await application.change_policies()
        assert application.reload_problem is None

    applied(tmp_path, scenario)
