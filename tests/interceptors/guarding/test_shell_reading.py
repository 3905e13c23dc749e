"""The words that the guard reads are the words that a shell gives to the program."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callgate.interceptors.guard_shell import MAX_CHARACTERS
from callgate.interceptors.guarding.guards import Objection
from callgate.interceptors.guarding.shell_reading import (
    MAX_COMMANDS,
    Line,
    check_characters,
    is_glob,
    read_line,
)


def words_of(line: Line) -> list[list[str | None]]:
    return [list(command.words) for command in line.commands]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("git log", ["git", "log"]),
        ("  git\tlog \n", ["git", "log"]),
        ("git log -n 5 'a b' \"c d\"", ["git", "log", "-n", "5", "a b", "c d"]),
        ("g'i'\"t\" l\\og", ["git", "log"]),
        ("echo a\\ b \\$x \\'", ["echo", "a b", "$x", "'"]),
        ('echo \'\' "" " "', ["echo", "", "", " "]),
        ('echo "a\\"b\\\\c\\d"', ["echo", 'a"b\\c\\d']),
        ("echo 'a\nb'", ["echo", "a\nb"]),
        (
            "git show HEAD~1 stash@{0} HEAD^{} {}",
            ["git", "show", "HEAD~1", "stash@{0}", "HEAD^{}", "{}"],
        ),
        ("echo --a='b c' x=y - -- =", ["echo", "--a=b c", "x=y", "-", "--", "="]),
        ("ls caf\u00e9 \u65e5\u672c", ["ls", "caf\u00e9", "\u65e5\u672c"]),
        ("echo '*' \"?\" \\[a]", ["echo", "*", "?", "[a]"]),
    ],
)
def test_quotes_and_backslashes_are_taken_off_as_a_shell_does(text: str, words: list[str]) -> None:
    line = read_line(text)

    assert words_of(line) == [words]
    assert line.uses == frozenset()


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("a | b", {"pipes"}),
        ("a |& b", {"pipes"}),
        ("a; b", {"sequences"}),
        ("a;", {"sequences"}),
        ("a\nb", {"sequences"}),
        ("a && b || c", {"sequences"}),
        ("a &", {"background"}),
        ("a > b", {"redirections"}),
        ("a 2>&1", {"redirections"}),
        ("a < b", {"redirections"}),
        ("a <<< b", {"heredocs"}),
        ("a <<E\nb\nE", {"heredocs", "redirections"}),
        ("a $(b)", {"substitutions"}),
        ("a `b`", {"substitutions"}),
        ("a \"x $(b)\"", {"substitutions"}),
        ("a <(b)", {"substitutions"}),
        ("a $((1+1))", {"substitutions"}),
        ("a $b", {"variables"}),
        ("a \"$b\"", {"variables"}),
        ("a ${b:-c}", {"variables"}),
        ("a $", {"variables"}),
        ("a $(b $c)", {"substitutions", "variables"}),
        ("a *", {"globs"}),
        ("a b?", {"globs"}),
        ("a [bc]", {"globs"}),
        ("a {b,c}", {"globs"}),
        ("a {1..3}", {"globs"}),
        ("a x{'b',c}", {"globs"}),
        ("a ~", {"globs"}),
        ("a ~root/x", {"globs"}),
        ("a x=~/b", {"globs"}),
        ("A=1 b", {"assignments"}),
        ("A=1", {"assignments"}),
        ("export A=1", {"assignments"}),
        ("unset A", {"assignments"}),
        ("! a", {"compounds"}),
        ("(a)", {"compounds"}),
        ("{ a; }", {"compounds", "sequences"}),
        ("if a; then b; fi", {"compounds", "sequences"}),
        ("f() { a; }", {"compounds", "sequences"}),
        ("[[ -f x ]]", {"compounds"}),
        ("[ a ]", {"compounds"}),
        ("for i in a b; do c; done", {"compounds", "sequences"}),
    ],
)  # fmt: skip
def test_what_is_more_than_words_is_told(text: str, uses: set[str]) -> None:
    assert read_line(text).uses == uses


@pytest.mark.parametrize(
    "text",
    ["ls 'open", 'ls "open', "ls `open", "ls $(open", "ls \\", "ls a\\\nb", "ls \\\n b", "ls $'\\x41'", 'ls $"a"',
     "ls # x", "# x", "ls !(a)", "ls a\rb", "ls \0", "ls \x1b", "ls \u200b", "ls\u00a0x", "ls \ud800", "ls \uff1b x",
     "ls \uff0dx", "ls \u00adx", "ls | ", "&& ls", "ls )", "if x", ")"],
)  # fmt: skip
def test_what_shells_read_in_different_ways_is_refused(text: str) -> None:
    with pytest.raises(Objection):
        read_line(text)


def test_commands_inside_others_are_found_and_their_number_is_bounded() -> None:
    assert sorted(map(str, words_of(read_line("a $(b | c `d`) && (e)")))) == sorted(
        ["['a', None]", "['b']", "['c', None]", "['d']", "['e']"]
    )
    with pytest.raises(Objection, match="more than 50 commands"):
        read_line(" && ".join(["ls"] * (MAX_COMMANDS + 1)))


def test_a_line_is_written_anew_with_each_word_quoted() -> None:
    assert read_line("git  lo\"g\" 'a b'  \\* | head -n 5;ls\nls && ls").plain == (
        "git log 'a b' '*' | head -n 5 ; ls ; ls && ls"
    )
    assert read_line("ls $x").plain is None


def test_only_characters_that_all_see_alike_are_let_through() -> None:
    check_characters("a\tb\n\u00e9\u65e5\U0001f600")
    with pytest.raises(Objection, match=r"U\+000A"):
        check_characters("a\nb", besides="")


def test_a_pattern_is_what_makes_other_words() -> None:
    assert [word for word in ("a", "{}", "x{0}", "a~b", "*", "a?", "[", "{a,b}", "~", "a:~") if is_glob(word)] == [
        "*", "a?", "[", "{a,b}", "~", "a:~",
    ]  # fmt: skip


@pytest.mark.parametrize("nested", ["$(", "${x:-", "((", "`", '"$(', "{ ", "( ", "[[ ", "a<<E\n", "a|", "a&&", "\\", "'", '"'])  # fmt: skip
def test_a_line_that_is_made_to_be_hard_to_read_is_read_soon(nested: str) -> None:
    started = time.process_time()
    with contextlib.suppress(Objection):
        read_line(nested * (MAX_CHARACTERS // len(nested)))

    assert time.process_time() - started < 3.0


PIECES = st.sampled_from(
    ["a", "b c", "'", '"', "\\", " ", "\t", "-x", "=", "{", "}", ",", "~", "*", "?", "[", "]", "$", "`", "(", ")",
     ";", "&", "|", "<", ">", "#", "!", "^", "%", "@", "\n", "é", "1", "'a b'", '"c\\"d"', "\\ ", "{a}", "x=y", "/", "..",
     "if", "time", "do", ";\\", ";'"]
)  # fmt: skip
LINES = st.lists(PIECES, max_size=10).map("".join)


@pytest.mark.parametrize("shell", ["bash", "sh"])
@given(st.lists(LINES, min_size=60, max_size=60))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_real_shell_reads_the_same_words(
    tmp_path_factory: pytest.TempPathFactory, shell: str, lines: list[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    empty: Path = tmp_path_factory.mktemp("empty")
    read = []
    for line in lines:
        text = f"say {line}"
        try:
            seen = read_line(text)
        except Objection:
            continue
        if not seen.uses:
            read.append((text, seen))
    # Nothing but `say` can be run.
    script = 'say() { printf "%s\\0" "$#" "$@"; }\nPATH=/nowhere\n' + "\n".join(
        text for text, _ in read
    )

    ran = subprocess.run([str(shutil.which(shell)), "-c", script], capture_output=True, cwd=empty, env={}, check=False)  # fmt: skip

    expected = [
        said
        for _, seen in read
        for command in seen.commands
        for said in (str(len(command.words) - 1), *command.words[1:])
    ]
    assert ran.stdout.decode().split("\0")[:-1] == expected
    assert ran.stderr == b""
    assert not list(empty.iterdir())


@example(";\\x=y a")
@example(";\\if a")
@example(";'time' ''")
@given(LINES)
def test_a_line_written_anew_is_read_as_the_same_words(line: str) -> None:
    try:
        seen = read_line(f"say {line}")
    except Objection:
        return
    if seen.plain is not None:
        again = read_line(seen.plain)
        assert sorted(map(str, words_of(again))) == sorted(map(str, words_of(seen)))
        assert again.plain == seen.plain
