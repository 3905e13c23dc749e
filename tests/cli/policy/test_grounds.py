"""What commands stand on: a configuration or none, policies of it or others, tools listed or read."""

from pathlib import Path

import pytest
from dulwich import porcelain

from callgate.cli.policy.grounds import (
    STAND_IN,
    CannotSay,
    Chosen,
    configured,
    counted,
    ground,
    grounded,
    policy_paths,
    shown_path,
)
from callgate.model import Principal
from callgate.policy.names import Names
from callgate.policy.source import PolicyError
from callgate.sources.git import GitRepository
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite_file import open_to_write
from callgate.storage.versions import StoredPolicyVersions
from callgate.upstream.mcp_http import HttpTargetSettings
from fakes.desk import CONFIG
from fakes.versions import a_version

TOOLS = Path("tools.json")


def test_targets_are_asked_only_when_their_tools_are_needed(desk: Path) -> None:
    grounds = ground(Chosen())

    assert "snapshot" not in grounds.__dict__
    assert [tool.name for tool in grounds.snapshot.tools] == ["refund", "report"]
    assert grounds.listed == {"shop": True}
    assert grounds.names == Names()
    assert grounds.enrichments == {"risk": {"score": "integer"}}


def test_with_a_snapshot_nothing_is_asked_and_no_secret_is_needed(desk: Path) -> None:
    text = CONFIG % ("a" * 64, "b" * 64)
    other = (
        "  web: {url: 'https://web.example/mcp', headers: {Authorization: 'Bearer ${env:NO_SUCH}'}}"
    )
    Path("callgate.yaml").write_text(text.replace("targets:", f"targets:\n{other}"))

    with pytest.raises(CannotSay, match="NO_SUCH is not set"):
        ground(Chosen())
    grounds = ground(Chosen(tools=TOOLS))
    assert grounds.listed == {"web": False, "shop": True}
    assert len(grounds.snapshot.tools) == 2
    web = configured(Chosen(tools=TOOLS)).targets["web"]
    assert isinstance(web, HttpTargetSettings)
    assert web.headers["Authorization"].endswith(STAND_IN)


def test_without_a_configuration_policies_and_tools_are_enough(
    desk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    grounds = ground(Chosen(policies=(desk / "policies",), tools=desk / TOOLS))

    assert (grounds.config, grounds.targets) == (None, ("shop",))
    assert len(grounds.policies) == 3
    with pytest.raises(CannotSay, match="callgate init"):
        ground(Chosen(tools=desk / TOOLS))


def test_other_policies_stand_in_place_of_those_of_the_configuration(desk: Path) -> None:
    Path("one.cedar").write_text("permit(principal, action, resource);")
    grounds = ground(Chosen(policies=(Path("one.cedar"),), tools=TOOLS))

    assert [policy.id for policy in grounds.policies] == ["one.cedar#1"]
    assert grounds.place_of(grounds.policies[0]) == "one.cedar:1"


def test_files_of_one_name_are_told_apart_by_their_paths(desk: Path) -> None:
    for name in ("a", "b"):
        Path(name).mkdir()
        (Path(name) / "x.cedar").write_text("permit(principal, action, resource);")
    grounds = ground(Chosen(policies=(Path("a"), Path("b")), tools=TOOLS))

    assert [policy.id for policy in grounds.policies] == ["a/x.cedar#1", "b/x.cedar#1"]


def test_a_policy_that_is_no_cedar_ends_a_command_with_its_place(desk: Path) -> None:
    Path("policies/bad.cedar").write_text("permit(;")

    with pytest.raises(PolicyError):
        ground(Chosen(tools=TOOLS))
    with pytest.raises(CannotSay, match=r"bad\.cedar:1:8"):
        grounded(Chosen(tools=TOOLS))


def test_principals_of_the_configuration_are_known_by_id(desk: Path) -> None:
    known = ground(Chosen(tools=TOOLS)).principals

    assert known == {
        "sam": Principal(
            id="sam",
            issuer="callgate",
            kind="api_key",
            groups=("support",),
            agent="support-agent",
            claims={"api_key": "sam-key"},
        ),
        "lea": Principal(
            id="lea",
            issuer="callgate",
            kind="api_key",
            groups=("support", "leads"),
            claims={"api_key": "lea-key"},
        ),
        "visitor": Principal(id="visitor", issuer="callgate", kind="anonymous"),
    }


def test_keys_of_one_principal_are_known_by_their_own_names(desk: Path) -> None:
    text = Path("callgate.yaml").read_text().replace("principal: lea", "principal: sam")
    Path("callgate.yaml").write_text(text)

    assert ground(Chosen(tools=TOOLS)).principals.keys() == {"sam-key", "lea-key", "visitor"}


def test_a_snapshot_that_was_listed_is_kept_while_the_targets_stay(desk: Path) -> None:
    first = ground(Chosen())
    listed = first.snapshot
    Path("policies/more.cedar").write_text("permit(principal, action, resource);")
    second = ground(Chosen(), first)

    assert second.snapshot is listed
    assert second.policies[1:] == first.policies
    Path("callgate.yaml").write_text(
        Path("callgate.yaml").read_text().replace("  shop:", "  shop2:")
    )
    assert "snapshot" not in ground(Chosen(), second).__dict__


def test_what_is_no_text_or_not_there_is_said(desk: Path) -> None:
    Path("policies/latin.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(CannotSay, match="is not UTF-8 text"):
        ground(Chosen(tools=TOOLS))
    with pytest.raises(CannotSay, match="cannot be read"):
        ground(Chosen(policies=(Path("none.cedar"),), tools=TOOLS))
    Path("empty").mkdir()
    with pytest.raises(CannotSay, match=r"empty holds no \.cedar file"):
        list(policy_paths([Path("empty")]))


def test_all_that_the_options_name_can_be_watched(desk: Path) -> None:
    chosen = Chosen(policies=(Path("policies"),), tools=TOOLS)

    assert list(chosen.files()) == [
        Path("callgate.yaml"),
        TOOLS,
        Path("policies"),
        Path("policies/shop.cedar"),
    ]


def test_paths_are_shown_from_where_we_stand(desk: Path) -> None:
    assert shown_path(desk / "policies" / "shop.cedar") == "policies/shop.cedar"
    assert shown_path(Path("/elsewhere/x")) == "/elsewhere/x"
    assert [
        counted(1, "policy", "policies"),
        counted(2, "policy", "policies"),
        counted(0, "tool"),
    ] == [
        "1 policy",
        "2 policies",
        "0 tools",
    ]


def test_policies_in_git_and_in_the_store_count_too(desk: Path) -> None:
    repository = desk.parent / "policies-repository"
    porcelain.init(str(repository))
    (repository / "more.cedar").write_text('@id("git") permit (principal, action, resource);')
    porcelain.add(str(repository))
    porcelain.commit(str(repository), message=b"x", author=b"A <a@x>", committer=b"A <a@x>")
    blocks = f"policies: {{git: {{repository: {repository}}}, store: true}}\n"
    Path("callgate.yaml").write_text(Path("callgate.yaml").read_text() + blocks)

    with pytest.raises(CannotSay, match=r"there is no commit to use.*; --policies names others"):
        ground(Chosen(tools=TOOLS))  # with --tools, nothing is fetched
    fetched = ground(Chosen())
    assert fetched.policies[-1].id == "git"
    assert fetched.config is not None and fetched.config.policies.git is not None
    commit = fetched.files[-1].path.name.partition("@")[2]
    GitRepository(fetched.config.policies.git, desk).keep(commit)  # as a gateway that uses it does
    settings = StoreSettings(path=desk / "callgate.db")
    open_to_write(settings, may_create=True).close()
    stored = '@id("kept") permit (principal, action, resource);'
    StoredPolicyVersions(settings).add(a_version(1, kept=stored))

    grounds = ground(Chosen(tools=TOOLS))  # the commit in force will do
    assert [(policy.id, policy.source) for policy in grounds.policies][-2:] == [
        ("git", "more.cedar"),
        ("kept", "store:kept"),
    ]
    assert grounds.place_of(grounds.policies[-1]) == "store:kept:1"
