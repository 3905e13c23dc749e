"""Clients and servers of others work with the gateway between them as they do without it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.compat.judging import failures, unlike, untried
from e2e.compat.page import COMMAND, PAGE, render
from e2e.compat.playing import Step
from e2e.compat.run import run

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    return run(tmp_path_factory.mktemp("compatibility"))


def test_every_step_of_every_client_works(steps: list[Step]) -> None:
    wrong = list(failures(steps))

    assert not wrong, "\n".join(wrong)


def test_clients_see_what_they_see_without_the_gateway(steps: list[Step]) -> None:
    differences = list(unlike(steps))

    assert not differences, "\n".join(differences)


def test_everything_that_a_target_declares_is_tried(steps: list[Step]) -> None:
    missing = list(untried(steps))

    assert not missing, "\n".join(missing)


def test_the_page_says_what_was_run(steps: list[Step]) -> None:
    assert PAGE.read_text() == render(steps), f"run `{COMMAND}`"


def main() -> int:
    # Not removed where something was wrong: the logs of all processes are in it.
    directory = Path(tempfile.mkdtemp(prefix="compatibility-"))
    steps = run(directory)
    wrong = [*failures(steps), *unlike(steps), *untried(steps)]
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    if "--write" in sys.argv:
        PAGE.write_text(render(steps))
    if wrong:
        sys.stderr.write(f"logs are in {directory}\n")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
