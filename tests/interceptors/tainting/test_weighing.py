"""Each letter that is known counts once, wherever it stands."""

from typing import Any

import pytest

from callgate.interceptors.tainting.fingerprints import Kept, Prints
from callgate.interceptors.tainting.memory import Run
from callgate.interceptors.tainting.weighing import Leak, Scale, fingerprints

KNOWN = "alpha bravo charlie delta echo foxtrot golf hotel"
PRINTS = Prints()


def weigh(*leaves: tuple[str, str], run: Run | None = None, **more: Any) -> Leak:
    return Scale(PRINTS, run or a_run(), **{"domains": None, **more}).weigh(leaves)


def a_run(*sources: tuple[str, str]) -> Run:
    run = Run(0)
    for name, text in sources or (("crm___read", KNOWN),):
        for numbers in fingerprints(PRINTS, [text]):
            run.sources[name] = run.sources.get(name, Kept()).plus(numbers)
    return run


def test_known_letters_are_counted_once_and_others_not() -> None:
    leak = weigh(("/a", f"xxxx {KNOWN} yyyy {KNOWN[:15]}"))

    letters = len(KNOWN.replace(" ", ""))
    assert (leak.sent_bytes, leak.fields, leak.sources) == (letters + 13, ("/a",), ("crm___read",))


def test_what_is_split_over_fields_is_seen_together() -> None:
    parts = [(f"/{at}", KNOWN[at : at + 6]) for at in range(0, len(KNOWN), 6)]

    assert weigh(*parts).sent_bytes == len(KNOWN.replace(" ", ""))


def test_a_token_within_a_copy_is_not_counted_again() -> None:
    run = a_run(("crm___read", "customer jonathan a-10293 of london"))

    assert weigh(("/a", "jonathan a-10293 of"), run=run).sent_bytes == 16
    assert weigh(("/a", "about A10293"), run=run).sent_bytes == 6


def test_the_last_letters_of_a_field_go_on_in_the_next_call() -> None:
    run = a_run()
    first = weigh(("/a", KNOWN[:9]), run=run)
    run.keep_tail("/a", first.tails["/a"])

    assert (first.sent_bytes, first.tails) == (0, {"/a": b"alphabra"})
    assert weigh(("/a", KNOWN[9:15]), run=run).sent_bytes == 5
    assert weigh(("/b", KNOWN[9:15]), run=run).sent_bytes == 0


def test_the_source_of_the_most_comes_first_and_one_target_can_be_left_out() -> None:
    other = "india juliett kilo lima mike"
    run = a_run(("crm___read", KNOWN), ("hr___list", other))

    assert weigh(("/a", f"{other} {KNOWN}"), run=run).sources == ("crm___read", "hr___list")
    left = weigh(("/a", f"{other} {KNOWN}"), run=run, except_target="crm")
    assert (left.sources, left.sent_bytes) == (("hr___list",), 24)
    assert weigh(("/a", KNOWN), run=a_run(), except_target="crm") == Leak()


@pytest.mark.parametrize(
    ("text", "share"), [(KNOWN, 1.0), (KNOWN[:20], 0.0), (KNOWN + "z" * 42, 0.5)]
)
def test_the_share_is_that_of_a_long_enough_text(text: str, share: float) -> None:
    assert weigh(("/a", text)).overlap == pytest.approx(share)


def test_hosts_are_those_that_are_not_allowed() -> None:
    text = "https://ok.example/?a https://no.example/?b https://no.example/?c"

    assert weigh(("/a", text), domains=frozenset({"ok.example"})).hosts == ("no.example",)
    assert weigh(("/a", text)).hosts == ()
