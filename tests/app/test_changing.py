"""Changes of the policies in the store, by a real application over real SQLite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from callgate.app.application import Application
from callgate.app.changing import StoreDesk
from callgate.audit.event import POLICIES
from callgate.control.desk import Origin, Terms
from callgate.control.problems import Problem
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from callgate.storage.versions import StoredPolicyVersions
from fakes.application import CONFIG, PERMIT, applied, may_refund, written

ADA = Terms(author="ada", message="because")
FORBID = (
    'forbid(principal, action == Callgate::Action::"shop___refund", resource)\n'
    "when { context.input.amount > 100 };"
)


async def refused(change: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as raised:
        await change()  # type: ignore[misc] # any of the desk's
    return raised.value


def test_a_change_is_in_force_at_once_kept_and_recorded(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        desk = StoreDesk(application)
        assert may_refund(application, 200)
        made = await desk.put("cap", FORBID, ADA)

        assert (may_refund(application, 200), may_refund(application, 50)) == (False, True)
        assert made.in_force == application.gateway.engine.version
        assert (made.version.number, made.version.author) == (1, "ada")
        kept = StoredPolicyVersions(application.config.store).newest()
        assert kept.policies == {"cap": f'@id("cap")\n{FORBID}'}
        assert desk.standing().origins["store:cap"] == Origin(kind="store", place="cap")

        await desk.delete("cap", ADA)
        assert may_refund(application, 200)
        await desk.rollback(1, ADA)
        assert not may_refund(application, 200)

    applied(tmp_path, scenario)
    records = Records(StoreSettings(path=tmp_path / "callgate.db"))
    before, put, deleted, rolled_back = records.events([POLICIES])
    assert (put["stored"]["author"], deleted["version"]) == ("ada", before["version"])
    assert (rolled_back["version"], rolled_back["stored"]["number"]) == (put["version"], 3)
    defined = records.defined(f"policies:{put['version']}")
    assert defined is not None
    assert [policy["id"] for policy in defined["policies"]] == ["refunds", "cap"]

    async def restarted(application: Application) -> bool:
        return may_refund(application, 200)

    assert applied(tmp_path, restarted) is False


@pytest.mark.parametrize(
    ("identifier", "text", "status", "said", "line"),
    [
        ("a", "permit(principal, action resource);", 422, "not valid Cedar", 1),
        ("a", FORBID.replace("> 100", '> "x"'), 422, "does not fit shop___refund", 2),
        ("a", FORBID.replace("refund", "refnd"), 422, 'did you mean "shop___refund"?', 1),
        ("refunds", FORBID, 422, "is used in p.cedar:1 already", 1),
        ("a", FORBID * 2, 422, "must be one policy, not 2", None),
        ("a", f'@id("b") {FORBID}', 422, "make them equal", None),
        ("a/b", FORBID, 422, "cannot be called so", None),
        ("versions", FORBID, 422, "is a word of this API", None),
        ("a", f"{FORBID[:-3]} && {'||'.join(['context.a'] * 5000)} }};", 422, "operators", 2),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    tmp_path: Path, identifier: str, text: str, status: int, said: str, line: int | None
) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        before = application.gateway
        desk = StoreDesk(application)
        problem = await refused(lambda: desk.put(identifier, text, ADA))

        assert (problem.status, problem.body.get("line")) == (status, line)
        assert said in str(problem.body["detail"])
        assert application.gateway is before
        assert StoredPolicyVersions(application.config.store).newest_number() == 0
        assert may_refund(application, 200)

    applied(tmp_path, scenario)


def test_who_did_not_see_the_newest_version_changes_nothing(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        desk = StoreDesk(application)
        await desk.put("a", FORBID, Terms(author="ada", if_version=0))
        for is_tagged, status in ((False, 409), (True, 412)):
            terms = Terms(author="bob", if_version=0, is_tagged=is_tagged)
            problem = await refused(lambda terms=terms: desk.put("b", FORBID, terms))  # type: ignore[misc] # bound now
            assert (problem.status, problem.body["newest_version"]) == (status, 1)

    applied(tmp_path, scenario)


def test_a_dry_run_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        before = application.gateway
        terms = Terms(author="ada", is_dry=True)
        made = await StoreDesk(application).put("a", FORBID, terms)

        assert (made.is_dry, made.version.number, made.change.added) == (True, 0, ("a",))
        assert application.gateway is before
        problem = await refused(lambda: StoreDesk(application).put("a", "nonsense", terms))
        assert problem.status == 422

    applied(tmp_path, scenario)


def test_a_shadow_policy_is_promoted(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        desk = StoreDesk(application)
        await desk.put("cap", f'@mode("shadow")\n{FORBID}', ADA)
        assert may_refund(application, 200)
        made = await desk.promote("cap", ADA)

        assert made.change.changed == ("cap",)
        assert not may_refund(application, 200)
        again = await refused(lambda: desk.promote("cap", ADA))
        assert (again.status, "active already" in str(again)) == (409, True)

    applied(tmp_path, scenario)


def test_what_is_elsewhere_is_changed_there(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        desk = StoreDesk(application)
        for change in (desk.delete, desk.promote):
            problem = await refused(lambda change=change: change("refunds", ADA))  # type: ignore[misc] # bound now
            assert problem.status == 409
            assert str(tmp_path / "policies" / "p.cedar") in str(problem.body["detail"])
            assert (await refused(lambda change=change: change("x", ADA))).status == 404  # type: ignore[misc] # bound now
        assert (await refused(lambda: desk.rollback(3, ADA))).status == 404
        nothing = await refused(lambda: desk.rollback(0, ADA))
        assert (nothing.status, "Nothing would change" in str(nothing)) == (409, True)

    applied(tmp_path, scenario)


def test_without_a_store_there_is_nothing_to_change(tmp_path: Path) -> None:
    written(tmp_path, CONFIG, p=PERMIT)

    async def scenario(application: Application) -> None:
        desk = StoreDesk(application)
        assert desk.standing().stored is None
        for change in (lambda: desk.put("a", FORBID, ADA), lambda: desk.versions(1)):
            problem = await refused(change)
            assert (problem.status, "`policies.store: true`" in str(problem)) == (409, True)

    applied(tmp_path, scenario)


def test_without_its_record_nothing_is_changed(tmp_path: Path) -> None:
    written(tmp_path, p=PERMIT)

    async def scenario(application: Application) -> None:
        desk = StoreDesk(application)
        before = application.gateway
        application.config.store.path.rename(tmp_path / "away.db")
        problem = await refused(lambda: desk.put("a", FORBID, ADA))
        (tmp_path / "away.db").rename(application.config.store.path)

        assert problem.status == 503
        assert application.gateway is before

    applied(tmp_path, scenario)
