"""The policies of all sources as one set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.app.gathering import Sources
from callgate.audit.definitions import World
from callgate.audit.record import indexed
from callgate.config import load_config
from callgate.policy.source import PolicyError
from callgate.policy.versions import EMPTY
from callgate.sources.parsing import Parser
from callgate.sources.sourced import SourceError
from fakes.application import CONFIG, PERMIT, written
from fakes.repository import Repository
from fakes.versions import FakePolicyVersions, a_version

ALL = CONFIG + "policies: {store: true, git: {repository: origin}}\n"
ANY = "(principal, action, resource);"
STORED = a_version(1, cap=f'@id("cap") forbid{ANY}')


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    made = Parser()
    yield made
    made.close()


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


def sources(
    directory: Path, parser: Parser, *versions: object, like: Sources | None = None
) -> Sources:
    config = load_config(directory / "callgate.yaml")
    config.store.path.touch()
    return Sources(config, FakePolicyVersions(*versions), parser, like)  # type: ignore[arg-type] # Version


def test_files_git_and_store_are_one_set(
    tmp_path: Path, parser: Parser, origin: Repository
) -> None:
    written(tmp_path, ALL, p=PERMIT)
    commit = origin.commit("why", q_dot_cedar=f'@id("git") permit{ANY}')

    made = sources(tmp_path, parser, STORED).first()

    assert {policy.id: policy.source for policy in made.policies} == {
        "refunds": "p.cedar",
        "git": "q.cedar",
        "cap": "store:cap",
    }
    assert {one.name: (one.kind, one.place) for one in made.texts} == {
        "p.cedar": ("file", str(tmp_path / "policies" / "p.cedar")),
        "q.cedar": ("git", f"q.cedar@{commit}"),
        "store:cap": ("store", "cap"),
    }
    assert (made.stored, made.files) == (STORED, (tmp_path / "policies" / "p.cedar",))
    entry = made.in_force(
        "abc", 1_790_000_000.0, World(namespace="N", gateway="main", mode="enforce")
    )
    assert indexed(entry.body) == entry
    for said in (b'"version":"abc"', b'"policies":3', commit.encode(), b'"author":"ada"'):
        assert said in entry.body


def test_an_id_is_there_once_in_all_of_them(
    tmp_path: Path, parser: Parser, origin: Repository
) -> None:
    written(tmp_path, ALL, p=PERMIT)
    origin.commit(q_dot_cedar=f'@id("refunds") permit{ANY}')

    with pytest.raises(PolicyError, match=r'q\.cedar:1:1: the id "refunds" is used in p\.cedar:1'):
        sources(tmp_path, parser).first()


def test_without_any_commit_there_is_no_set(
    tmp_path: Path, parser: Parser, origin: Repository
) -> None:
    written(tmp_path, ALL, p=PERMIT)

    with pytest.raises(SourceError, match="there is no commit to use: it has no branch or tag"):
        sources(tmp_path, parser).first()


def test_at_the_start_a_bad_commit_gives_way_to_the_one_that_was_in_force(
    tmp_path: Path, parser: Parser, origin: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, ALL)
    good = origin.commit(q_dot_cedar=f'@id("git") permit{ANY}')
    before = sources(tmp_path, parser)
    before.keep(before.first())
    bad = origin.commit(q_dot_cedar="permit(")

    after = sources(tmp_path, parser)
    made = after.first()

    assert made.commit is not None
    assert made.commit.id == good
    assert f"commit {bad[:12]} is not used, {good[:12]} stays" in caplog.text
    assert bad[:12] in (after.found.problem or "")


def test_a_reload_keeps_the_commit_unless_the_repository_is_another(
    tmp_path: Path, parser: Parser, origin: Repository
) -> None:
    written(tmp_path, ALL)
    origin.commit(q_dot_cedar=f"permit{ANY}")
    before = sources(tmp_path, parser)
    before.first()

    assert sources(tmp_path, parser, like=before).found == before.found
    written(tmp_path, ALL.replace("origin", "./origin"))
    assert sources(tmp_path, parser, like=before).found.commit is None


def test_a_version_can_be_tried_in_place_of_the_newest(tmp_path: Path, parser: Parser) -> None:
    written(tmp_path)
    one = sources(tmp_path, parser, STORED)

    assert one.load(EMPTY).policies == ()
    assert [policy.id for policy in one.load().policies] == ["cap"]
    assert one.newest_number() == 1


def test_where_policies_are_not_kept_in_the_store_none_of_it_count(
    tmp_path: Path, parser: Parser
) -> None:
    written(tmp_path, CONFIG)
    one = sources(tmp_path, parser, STORED)

    assert (one.load().policies, one.newest_number(), one.has_store) == ((), 0, False)
    assert (one.poll_seconds, one.look().commit) == (None, None)


def test_what_is_watched_follows_the_files(tmp_path: Path, parser: Parser) -> None:
    written(tmp_path, p=PERMIT)
    one = sources(tmp_path, parser)
    policies = tmp_path / "policies"
    assert one.watched() == {policies, policies / "p.cedar"}

    (policies / "q.cedar").touch()
    assert one.watched() == {policies, policies / "p.cedar", policies / "q.cedar"}
