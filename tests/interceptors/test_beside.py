"""Which files a module beside the configuration is made of, and when it is loaded anew."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callgate.interceptors.beside import (
    as_they_are_now,
    files_of,
    files_of_script,
    may_appear,
)


@pytest.fixture(autouse=True)
def modules(tmp_path: Path) -> Iterator[None]:
    """Modules of this test end with it."""
    before = dict(sys.modules)
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


def loaded(name: str, directory: Path) -> Any:
    with as_they_are_now(files_of(name, directory)):
        return importlib.import_module(name)


def names(directory: Path, module: str = "bh") -> dict[str, str]:
    found = files_of(module, directory)
    return {name: file.relative_to(directory).as_posix() for name, file in found.items()}


def test_imports_of_every_form_are_followed(tmp_path: Path) -> None:
    (tmp_path / "bpk").mkdir()
    (tmp_path / "bpk/__init__.py").write_text("from . import first\n")
    (tmp_path / "bpk/first.py").write_text("from .second import x\nfrom bpk import third\n")
    for name in ("second", "third", "unused"):
        (tmp_path / f"bpk/{name}.py").write_text("x = 1\n")
    (tmp_path / "bs").mkdir()
    (tmp_path / "bs/inner.py").write_text("import bcyc\n")
    (tmp_path / "bcyc.py").write_text("def later():\n    import bh, bs.inner\n")
    (tmp_path / "bh.py").write_text(
        "import json, bpk.first as f\ntry:\n    import bcyc\nfinally: 0"
    )

    assert names(tmp_path) == {
        "bh": "bh.py",
        "bpk": "bpk/__init__.py",
        "bpk.first": "bpk/first.py",
        "bpk.second": "bpk/second.py",
        "bpk.third": "bpk/third.py",
        "bcyc": "bcyc.py",
        "bs.inner": "bs/inner.py",
    }
    assert set(files_of_script(tmp_path / "bh.py").values()) == set(
        files_of("bh", tmp_path).values()
    )


def test_what_is_not_there_or_no_python_is_made_of_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "bh.py").write_text("import bother\n")
    (tmp_path / "bother.py").write_text("import (")

    assert names(tmp_path) == {"bh": "bh.py", "bother": "bother.py"}
    assert names(tmp_path, "nothing") == {}
    assert files_of_script(tmp_path / "nothing.py") == {}


def test_what_is_imported_and_not_there_may_appear(tmp_path: Path) -> None:
    (tmp_path / "bh.py").write_text("import json, bother, bmissing.inner\n")
    (tmp_path / "bother.py").write_text("from bgone import x\n")

    appears = may_appear(files_of("bh", tmp_path), tmp_path)

    assert appears == {tmp_path / "bmissing.py", tmp_path / "bgone.py"}


def test_a_changed_module_is_loaded_anew_even_within_a_second_and_of_the_same_length(
    tmp_path: Path,
) -> None:
    seen = []
    for text in ("x = 1\n", "x = 2\n", "x = 3\n"):
        (tmp_path / "bh.py").write_text(text)
        seen.append(loaded("bh", tmp_path).x)

    assert seen == [1, 2, 3]
    assert not (tmp_path / "__pycache__").exists()


def test_what_did_not_change_keeps_its_state(tmp_path: Path) -> None:
    (tmp_path / "bstate.py").write_text("seen = []\n")
    (tmp_path / "bh.py").write_text("import bstate\nversion = 1\n")
    first = loaded("bh", tmp_path)
    first.bstate.seen.append("a call")

    assert loaded("bh", tmp_path) is first
    (tmp_path / "bh.py").write_text("import bstate\nversion = 20\n")
    second = loaded("bh", tmp_path)

    assert (first.version, second.version) == (1, 20)
    assert second.bstate.seen == ["a call"]


def test_a_module_is_loaded_anew_with_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "bdeep.py").write_text("x = 1\n")
    (tmp_path / "bmid.py").write_text("from bdeep import x\n")
    (tmp_path / "bh.py").write_text("from bmid import x\n")
    assert loaded("bh", tmp_path).x == 1

    (tmp_path / "bdeep.py").write_text("x = 22\n")

    assert loaded("bh", tmp_path).x == 22


def test_a_package_is_loaded_anew_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "bpk").mkdir()
    (tmp_path / "bpk/__init__.py").write_text("limit = 1\n")
    (tmp_path / "bpk/inner.py").write_text("import bpk\ndef limit(): return bpk.limit\n")
    assert loaded("bpk.inner", tmp_path).limit() == 1

    (tmp_path / "bpk/__init__.py").write_text("limit = 22\n")

    assert loaded("bpk.inner", tmp_path).limit() == 22
    assert sys.modules["bpk"].inner is sys.modules["bpk.inner"]


@pytest.mark.parametrize("broken", ["limit = 2\nraise RuntimeError\n", "import bhelp2, nowhere\n"])
def test_where_loading_fails_what_runs_is_as_it_was(tmp_path: Path, broken: str) -> None:
    (tmp_path / "bhelp.py").write_text("x = 1\n")
    (tmp_path / "bhelp2.py").write_text("x = 1\n")
    (tmp_path / "bh.py").write_text("import bhelp\nlimit = 1\ndef f(): return limit\n")
    running = loaded("bh", tmp_path)

    (tmp_path / "bh.py").write_text(broken)
    with pytest.raises((RuntimeError, ModuleNotFoundError)):
        loaded("bh", tmp_path)

    assert running.f() == 1
    assert sys.modules["bh"] is running
    assert "bhelp2" not in sys.modules


def test_two_directories_may_have_modules_of_one_name(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "bh.py").write_text(f"x = {number}\n")

    found = [loaded("bh", tmp_path / str(number)).x for number in (1, 2, 1)]

    assert found == [1, 2, 1]


def test_a_module_that_others_loaded_first_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "bh.py").write_text("x = 1\n")
    known = importlib.import_module("bh")

    assert loaded("bh", tmp_path) is known
    (tmp_path / "bh.py").write_text("x = 22\n")
    assert loaded("bh", tmp_path).x == 22
