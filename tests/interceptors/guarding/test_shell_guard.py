"""A command line runs only what it may, and an argument stays one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.interceptors.guard_shell import Allowance, GuardShellSettings
from callgate.interceptors.guarding.guards import Objection
from callgate.interceptors.guarding.shell_guard import ShellGuard
from callgate.scrutiny import Decision, Request
from fakes.calls import a_principal, a_tool


def guard(*programs: str, **settings: Any) -> ShellGuard:
    made = {
        "fields": ["$.command"],
        "programs": programs or ("git log", "git diff", "ls"),
        **settings,
    }
    return ShellGuard(GuardShellSettings(**made))


def argument(**settings: Any) -> ShellGuard:
    made = {"fields": ["$.name"], "kind": "argument", **settings}
    return ShellGuard(GuardShellSettings(**made))


@pytest.mark.parametrize(
    "line",
    ["git log", "git log --oneline -n 5 'HEAD~3' -- src/a.py", "git diff main..dev", "ls", "ls -la src 'a b'",
     "g'i't log", "git log --author='A & B'", "git log --grep \"it's; done\"", "git log https://example.com/x"],
)  # fmt: skip
def test_a_plain_command_of_a_named_program_goes_on_as_it_is(line: str) -> None:
    assert guard().look(line) == line


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rm -rf .", "runs 'rm'"),
        ("git push", "runs 'git'"),
        ("git", "runs 'git'"),
        ("git -c core.pager=id log", "runs 'git'"),
        ("/usr/bin/git log", "runs '/usr/bin/git'"),
        ("./ls", "runs './ls'"),
        ("LS", "runs 'LS'"),
        ("git 'log x'", "runs 'git'"),
        ("", "no command"),
        ("git log; rm -rf /", "more than one command"),
        ("git log && rm -rf /", "more than one command"),
        ("git log || id", "more than one command"),
        ("git log\nid", "more than one command"),
        ("git log & id", "&"),
        ("git log | sh", "a pipe"),
        ("git log |& sh", "a pipe"),
        ("git log > /etc/x", "a redirection"),
        ("git log >> x", "a redirection"),
        ("git log < /etc/passwd", "a redirection"),
        ("git log <<< x", "here-document"),
        ("git log $(id)", "inside another"),
        ("git log `id`", "inside another"),
        ("git log \"$(id)\"", "inside another"),
        ("git log <(id)", "inside another"),
        ("$(echo git) log", "inside another"),
        ("git log $HOME", "a variable"),
        ("git log ${IFS}x", "a variable"),
        ("$SHELL", "a variable"),
        ("git log *", "pattern"),
        ("ls {a,b}", "pattern"),
        ("ls ~/.ssh", "pattern"),
        ("PATH=/tmp ls", "assignment"),
        ("LD_PRELOAD=x.so git log", "assignment"),
        ("export A=1", "assignment"),
        ("! ls", "construct"),
        ("(ls)", "construct"),
        ("ls() { rm x; }", "construct"),
        ("ls $'\\x41'", r"\$'"),
        ("ls a\\\nb", "different ways|end of a line"),
        ("ls # x", "comment"),
        ("ls 'a", "can be read"),
        ("ls \0", r"U\+0000"),
        ("ls\u00a0-la", r"U\+00A0"),
        ("ls /etc", "out of the working directory"),
        ("ls ../x", "out of the working directory"),
        ("ls a/../../x", "out of the working directory"),
        ("git diff --output=/etc/x", "out of the working directory"),
        ("ls -I/etc", "out of the working directory"),
        ("ls '~'/x '~/x'", "out of the working directory"),
        ("ls " + "x" * 3000, "longer than 2000"),
    ],
)  # fmt: skip
def test_what_runs_more_than_it_may_is_refused(line: str, reason: str) -> None:
    with pytest.raises(Objection, match=reason):
        guard().look(line)


@pytest.mark.parametrize(
    ("allowed", "line"),
    [
        ("pipes", "git log | ls"),
        ("sequences", "ls; ls\nls && ls || ls"),
        ("background", "ls &"),
        ("redirections", "ls > x 2>&1"),
        ("heredocs", "ls <<< x"),
        ("substitutions", "ls $(ls)"),
        ("variables", "ls $x \"${y}\""),
        ("globs", "ls *.py {a,b}"),
        ("assignments", "A=1 ls"),
        ("compounds", "(ls)"),
        ("outer_paths", "ls /etc ../x"),
    ],
)  # fmt: skip
def test_each_construct_can_be_let_through_and_programs_are_checked_all_the_same(
    allowed: Allowance, line: str
) -> None:
    it = guard(allow=[allowed])

    assert it.look(line) == line
    with pytest.raises(Objection):
        guard().look(line)
    if " ls" in line:
        with pytest.raises(Objection):
            it.look(line.replace(" ls", " rm"))


@pytest.mark.parametrize(
    ("options", "word", "is_let_through"),
    [
        (["--stat", "-n", "-p"], "--stat", True),
        (["--stat", "-n", "-p"], "--stat=10", True),
        (["--stat", "-n", "-p"], "--sta", False),
        (["--stat", "-n", "-p"], "--output=x", False),
        (["--stat", "-n", "-p"], "-n5", True),
        (["--stat", "-n", "-p"], "-np", True),
        (["--stat", "-n", "-p"], "-nx", False),
        (["--stat", "-n", "-p"], "-x", False),
        (["--stat", "-n", "-p"], "'-x'", False),
        (["--stat", "-n", "-p"], "\\-x", False),
        (["--stat", "-n", "-p"], "-", True),
        (["--stat", "-n", "-p"], "-- -x", True),
        ([], "--stat", False),
    ],
)
def test_only_named_options_are_used_where_some_are_named(
    options: list[str], word: str, is_let_through: bool
) -> None:
    it = guard(options=options)

    if is_let_through:
        assert it.look(f"git log {word}")
    else:
        with pytest.raises(Objection, match="option"):
            it.look(f"git log {word}")


def test_a_refused_option_is_found_abbreviated_and_in_clusters() -> None:
    it = guard("find", "tar", refuse_options=["--output", "-o", "-exec", "--to-command"])

    for word in ("--output", "--output=x", "--out x", "--o", "-o", "-xo", "-ofile", "-exec", "--exec", "--to-c=x"):  # fmt: skip
        with pytest.raises(Objection, match="option"):
            it.look(f"find {word}")
    assert it.look("find -name x --stat -- -o")


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("git   log 'a b'\t\"c\"", "git log 'a b' c"),
        ("ls | ls", "ls | ls"),
        ("ls;ls\nls", "ls ; ls ; ls"),
        ("ls \\* '$x'", "ls '*' '$x'"),
    ],
)
def test_rewriting_sends_the_words_that_were_read(line: str, plain: str) -> None:
    assert guard(mode="rewrite", allow=["pipes", "sequences"]).look(line) == plain


@pytest.mark.parametrize("text", ["main", "v1.2-rc3", "a_b@c", "", "-", "caf\u00e9", "x=y", "HEAD~1", "https://a.example/b"])  # fmt: skip
def test_a_plain_argument_goes_on(text: str) -> None:
    assert argument().look(text) == text


@pytest.mark.parametrize(
    "text",
    ["-x", "--upload-pack=id", "--", "\uff0dx", "\ufe63x", "a;id", "a\nid", "a&id", "a|id", "a>b", "a`id`", "$(id)", "$x",
     "a b", "a\tb", "'a'", '"a"', "a\\b", "*", "a?", "[a]", "{a,b}", "~", "!x", "(a)", "#a", "/etc/passwd", "../x",
     "a\0", "a\r", "a\u200b", "\u00ad-x", "\ud800"],
)  # fmt: skip
def test_an_argument_that_would_be_more_than_one_is_refused(text: str) -> None:
    with pytest.raises(Objection):
        argument().look(text)


def test_what_an_argument_may_hold_is_named() -> None:
    it = argument(allow=["spaces", "quotes"], options=["--stat"])

    assert it.look('it\'s a "b"') == 'it\'s a "b"'
    assert it.look("--stat") == "--stat"
    assert argument(allow=["spaces", "quotes"], mode="rewrite").look("it's") == "'it'\"'\"'s'"
    with pytest.raises(Objection, match="take it for an option"):
        it.look("--other")


def test_the_refusal_is_a_sentence_that_names_the_field() -> None:
    view = Request(
        call_id="c",
        principal=a_principal(),
        tool=a_tool(),
        arguments={"command": ["ls", "ls; rm x"]},
    )

    assert asyncio.run(guard().on_request(view)) == Decision(
        refuse="The field $.command[1] holds more than one command, which may not be used."
    )
