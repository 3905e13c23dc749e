"""Policies are read in a process apart, and whatever they do to it, they do to nobody else."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.source import PolicyError, read_policies
from callgate.sources import parsing
from callgate.sources.parsing import Parser
from callgate.sources.sourced import SourceError

HEAD = "permit(principal, action, resource)"
GOOD = (
    "one",
    f'// first\n{HEAD};\n@id("x") @mode("shadow")\nforbid(principal, action, resource)\n'
    "when { context.input.amount > 5 };",
)


@pytest.fixture
def parser() -> Iterator[Parser]:
    made = Parser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Parser]:
    made = Parser()
    yield made
    made.close()


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass within 30 s")


def test_it_reads_as_the_library_does(parser: Parser) -> None:
    texts = [GOOD, ("empty", ""), ("two", f'{HEAD} unless {{ principal == A::"b" }};')]

    assert parser.parse(texts) == read_policies(texts)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.lists(st.sampled_from([f"{HEAD};", "\n", "// c\n", f"{HEAD} when {{ true }};"])).map(
                "".join
            ),
        ),
        unique_by=lambda text: text[0],
        min_size=1,
    )
)
@settings(deadline=None, max_examples=60)
def test_what_it_remembers_changes_nothing_of_what_it_says(
    shared: Parser, texts: list[tuple[str, str]]
) -> None:
    assert shared.parse(texts) == read_policies(texts)


def test_unchanged_policies_are_the_same_objects_and_moved_ones_say_their_new_place(
    parser: Parser,
) -> None:
    name, text = GOOD
    (first, second) = parser.parse([GOOD])
    (moved, _) = parser.parse([(name, f"\n{text}")])
    (same, other) = parser.parse([(name, text.replace("> 5", "> 6"))])

    assert same is not moved and same == first
    assert (moved.line, same.line) == (first.line + 1, first.line)
    assert other.digest != second.digest


def test_a_process_with_nothing_to_do_ends_and_what_was_read_stays_the_same_objects(
    parser: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "IDLE_SECONDS", 0.05)
    name, text = GOOD
    before = children()
    (first, second) = parser.parse([GOOD])
    wait_until(lambda: not children() - before)

    (same, other) = parser.parse([(name, text.replace("> 5", "> 6"))])
    assert same is first
    assert other.digest != second.digest
    wait_until(lambda: not children() - before)


def test_a_process_that_knows_much_stays(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(parsing, "MAX_LEFT_CHARACTERS", 10)
    before = children()
    parser.parse([GOOD])
    (child,) = children() - before
    parser.parse([("two", f"{HEAD};")])
    assert children() - before == {child}
    assert parser._idle is None


def test_an_error_says_file_line_and_column(parser: Parser) -> None:
    text = f"{HEAD};\npermit(principal, action resource);"
    with pytest.raises(PolicyError) as expected:
        read_policies([("bad", text)])
    with pytest.raises(PolicyError) as raised:
        parser.parse([GOOD, ("bad", text)])

    assert vars(raised.value) == vars(expected.value)
    assert (raised.value.source, raised.value.line) == ("bad", 2)


def test_an_id_that_two_texts_use_is_an_error_that_names_both(parser: Parser) -> None:
    with pytest.raises(PolicyError, match=r'other:1:1: the id "x" is used in one:3 already'):
        parser.parse([GOOD, ("other", f'@id("x") {HEAD};')])


def test_two_files_with_the_same_content_are_not_taken_for_one(parser: Parser) -> None:
    with pytest.raises(PolicyError, match="is used in"):
        parser.parse([GOOD, GOOD])


def test_a_text_that_is_not_unicode_is_an_error(parser: Parser) -> None:
    with pytest.raises(PolicyError, match="is not Unicode"):
        parser.parse([("bad", f"{HEAD};\n// \udcff")])


HOSTILE = {
    "parentheses": f"{HEAD} when {{ {'(' * 5000}true{')' * 5000} }};",
    "alternatives": f"{HEAD} when {{ {'||'.join(['context.a'] * 5000)} }};",
    "conditionals": f"{HEAD} when {{ {'if context.a then true else ' * 3000}true }};",
    "attributes": f"{HEAD} when {{ context{'.a' * 50_000} == 1 }};",
    "sums": f"{HEAD} when {{ {'1 + ' * 50_000}1 == 1 }};",
    "string": f'{HEAD} when {{ context.a == "{"x" * 10_000_000}" }};',
    "brackets": "permit(principal, action, resource" * 1000,
    "negations": f"{HEAD} when {{ {'!(' * 800}true{')' * 800} }};",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_an_error_with_its_place_and_the_next_text_is_read(
    shared: Parser, text: str
) -> None:
    with pytest.raises(PolicyError) as raised:
        shared.parse([GOOD, ("hostile", f"{HEAD};\n{text}")])

    assert (raised.value.source, raised.value.line) == ("hostile", 2)
    assert shared.parse([GOOD]) == read_policies([GOOD])


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals of this kind")
def test_a_process_that_died_is_started_again(parser: Parser) -> None:
    before = children()
    parser.parse([GOOD])
    (child,) = children() - before
    os.kill(child, signal.SIGKILL)
    psutil.Process(child).wait(60)

    assert parser.parse([("other", f"{HEAD};")]) == read_policies([("other", f"{HEAD};")])
    assert parser.parse([GOOD]) == read_policies([GOOD])


def test_reading_that_takes_too_long_is_ended(
    parser: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser.parse([GOOD])
    monkeypatch.setattr(parsing, "MIN_SECONDS", 0.01)
    monkeypatch.setattr(parsing, "SECONDS_PER_MEGABYTE", 0.0)

    with pytest.raises(PolicyError, match="many: cannot be read: the parser took longer than 0 s"):
        parser.parse([("many", f"{HEAD} when {{ context.a }};" * 10_000)])
    monkeypatch.undo()
    assert parser.parse([GOOD]) == read_policies([GOOD])


def test_what_is_forgotten_is_sent_again(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_HELD", 0)

    for number in range(3):
        text = GOOD[1].replace("> 5", f"> {number}")
        assert parser.parse([("one", text)]) == read_policies([("one", text)])


def test_without_another_process_there_is_no_reading(
    parser: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with pytest.raises(SourceError, match="no process can be started"):
        parser.parse([GOOD])


def test_the_process_ends_with_its_parser_and_knows_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    before = children()
    parser = Parser()
    parser.parse([GOOD])
    (child,) = children() - before
    process = psutil.Process(child)

    assert "SECRET_TOKEN" not in process.environ()
    parser.close()
    assert not process.is_running()


@pytest.mark.parametrize("count", [60, 200, 240])
def test_many_terms_in_a_row_are_taken(parser: Parser, count: int) -> None:
    row = " || ".join(f'context.input.x == "{n}"' for n in range(count))
    texts = [("one", f"{HEAD} when {{ {row} }};")]

    assert parser.parse(texts) == read_policies(texts)
