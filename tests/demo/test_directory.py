"""The demo's directory: complete, private, and never somebody else's."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from callgate.config import load_config
from callgate.config.env_file import read_env_file
from callgate.demo import directory
from callgate.demo.directory import FILES, TEMPLATE, DirectoryError, free_ports, prepare
from callgate.identity.api_keys import digest_of
from callgate.policy.source import read_policies


def test_a_new_directory_holds_a_configuration_that_loads(tmp_path: Path) -> None:
    demo = prepare(tmp_path / "demo")

    config = load_config(demo.config)
    assert demo.is_new
    assert list(config.targets) == ["time", "git", "shop"]
    assert [one.name for one in config.interceptors] == ["cap_history", "redact"]
    assert not config.warnings


def test_it_has_six_policies_each_with_a_name(tmp_path: Path) -> None:
    config = load_config(prepare(tmp_path / "demo").config)

    policies = read_policies((file.name, file.read_text()) for file in config.policy_files)
    assert len(policies) == 6
    assert not [policy.id for policy in policies if "#" in policy.id]


def test_the_keys_fit_the_digests_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    demo = prepare(tmp_path / "demo")

    known = {key.principal: key.sha256 for key in load_config(demo.config).identity.api_keys}
    assert known == {principal: digest_of(key) for principal, key in demo.keys.items()}
    assert (demo.path / "keys.env").stat().st_mode & 0o777 == 0o600
    assert (demo.path / ".gitignore").read_text() == "*\n"


def test_no_two_demos_have_the_same_keys(tmp_path: Path) -> None:
    one, other = prepare(tmp_path / "one"), prepare(tmp_path / "other")

    assert not set(one.keys.values()) & set(other.keys.values())


def test_nothing_of_the_template_is_left_unfilled(tmp_path: Path) -> None:
    demo = prepare(tmp_path / "demo")

    texts = [(demo.path / name).read_text() for name in FILES]
    assert not [text for text in texts if "@BIN@" in text or "_PORT@" in text]


def test_every_file_of_the_template_is_written() -> None:
    there = {
        path.relative_to(TEMPLATE).as_posix()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert there == set(FILES)


def test_the_repository_has_commits_by_somebody_with_an_address(tmp_path: Path) -> None:
    demo = prepare(tmp_path / "demo")

    log = subprocess.run(
        ["git", "log", "--format=%s by %ae"],
        cwd=demo.path / "handbook",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert log[0] == "Privacy by maya@shop.example"
    assert len(log) == 5


def test_a_demo_that_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    made = prepare(tmp_path / "demo")
    (made.path / "policies" / "shop.cedar").write_text("// mine")

    again = prepare(tmp_path / "demo")

    assert not again.is_new
    assert again.keys == made.keys
    assert (made.path / "policies" / "shop.cedar").read_text() == "// mine"


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(DirectoryError, match="name another --directory"):
        prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_directory_without_all_keys_says_how_to_begin_afresh(tmp_path: Path) -> None:
    demo = prepare(tmp_path / "demo")
    variables = read_env_file(demo.path / "keys.env")
    (demo.path / "keys.env").write_text(f"IDA_KEY={variables['IDA_KEY']}\n")

    with pytest.raises(DirectoryError, match="lacks SAM_KEY: remove"):
        prepare(demo.path)


def test_where_git_fails_nothing_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "git"
    broken.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(broken))

    with pytest.raises(DirectoryError, match="git init failed: the disk is full"):
        prepare(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_without_git_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(DirectoryError, match="install git"):
        prepare(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_without_the_servers_it_says_which_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(DirectoryError, match=r"callgate\[demo\]"):
        prepare(tmp_path / "demo")


def test_a_path_with_spaces_and_quotes_still_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / 'a "b": c'
    monkeypatch.setattr(directory, "_servers", lambda: odd)

    config = load_config(prepare(tmp_path / "demo").config)

    command = config.model_dump()["targets"]["git"]["command"]
    assert str(odd / "mcp-server-git") in command


def test_taken_ports_are_not_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = free_ports((port, port + 1))

    assert port not in chosen
    assert len(set(chosen)) == 2
