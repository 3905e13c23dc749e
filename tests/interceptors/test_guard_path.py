"""No reading of a path that the guard lets through leads out of its roots."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from callgate.interceptors.guard_path import GuardPath, GuardPathSettings
from callgate.interceptors.guarding.guards import Objection
from callgate.scrutiny import Decision, Request, Result
from fakes.calls import a_principal, a_tool


def guard(*roots: str, **more: Any) -> GuardPath:
    more = {"fields": ["$.path"], **more}
    return GuardPath(GuardPathSettings(roots=roots or ("/data",), **more))


def ask(it: GuardPath, path: Any) -> Decision | None:
    async def scenario() -> Decision | None:
        return await it.on_request(
            Request(
                call_id="c",
                principal=a_principal(),
                tool=a_tool(),
                arguments={"path": path, "n": 1},
            )
        )

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "path",
    ["/data", "/data/a.txt", "/data/a b/c", "/data//a/./b/", "/data/.hidden", "/data/100%",
     "/data/log-12:30.txt", "/data/B\u00fccher/\u65e5\u672c", "/data/a..b", "/data/%41", "/data/$5"],
)  # fmt: skip
def test_a_path_under_the_root_goes_on_as_it_is(path: str) -> None:
    assert guard().look(path) == path


TRAVERSALS = [
    "/etc/passwd", "/datax", "/data/../etc/passwd", "/data/a/../../etc", "../etc", "..", "/", "",
    "/data/..%2fetc", "/data/%2e%2e/etc", "/data/%252e%252e%252fetc", "/data/%25252e%25252e/etc",
    "/data/%2525252e", "/data/..%c0%af..", "/data/%c0%ae", "/data/..%5cetc", "/data/..\\etc", "\\\\host\\share",
    "//host/share", "/data/\0/x", "/data/x%00.txt", "/data/a\n", "~/.ssh", "~root/x", "/data/$HOME/x",
    "/data/${HOME}", "%USERPROFILE%/x", "/data/%u002e%u002e/etc", "file:///etc/passwd", "file:///data/a",
    "C:/data", "c:\\data", "/proc/self/environ", "/data/con", "/data/NUL.txt", "/data/com1", "/data/aux .txt ",
    "/data/lpt\u00b9", "/data/a.", "/data/a ", "/data/ ../x", "/data/.. /x", "/data/.../x", "/data/\uff0e\uff0e/etc",
    "/data/\u2025/etc", "/data/..\u2215etc", "/data/..\u2044etc", "/data/..\uff0fetc", "/data/a\u200b", "/data/\u202egpj.exe",
    "/data/\ud800", "/data/%ed%a0%80", "/data/" + "a" * 5000, "http://x/data", "/data/\u29f8", "/data/x\u2026",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
@pytest.mark.parametrize("mode", ["check", "rewrite"])
def test_no_known_way_out_is_let_through(path: str, mode: str) -> None:
    it = guard(mode=mode, relative_to="/data")

    with pytest.raises(Objection):
        it.look(path)


@pytest.mark.parametrize("root", ["/", "/proc"])
def test_the_kernels_own_places_must_be_named_themselves(root: str) -> None:
    it = guard(root)

    if root == "/":
        assert it.look("/etc/passwd") == "/etc/passwd"
        with pytest.raises(Objection, match="leads to /proc"):
            it.look("/proc/self/root/etc")
    else:
        assert it.look("/proc/cpuinfo") == "/proc/cpuinfo"


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("a", "/data/sub/a"),
        ("../a", "/data/a"),
        ("/data//x/./y/../z/", "/data/x/z"),
        (".", "/data/sub"),
        ("/data", "/data"),
    ],
)
def test_rewriting_sends_the_plain_absolute_path(path: str, plain: str) -> None:
    assert guard(mode="rewrite", relative_to="/data/sub").look(path) == plain


def test_relative_paths_need_a_place_to_start_from() -> None:
    with pytest.raises(Objection, match="must be an absolute path under /data"):
        guard().look("a/b")
    assert guard(relative_to="/data").look("a/b") == "a/b"


def test_file_urls_are_read_where_they_are_asked_for() -> None:
    it = guard(file_urls=True)

    assert it.look("file:///data/a%20b") == "file:///data/a%20b"
    assert guard(file_urls=True, mode="rewrite").look("FILE://localhost/data/x/%2e%2e/a%20b") == (
        "file:///data/a%20b"
    )
    for url in ("file:///etc/x", "file:///data/../etc", "file:///data/%2e%2e/etc", "file://host/data",
                "file:////host/data", "file:///data/%252e%252e/etc", "file:///data/a?x", "file:///da\tta",
                "file:/etc", "file:etc", "file://[/x"):  # fmt: skip
        with pytest.raises(Objection):
            it.look(url)


def test_suffixes_and_names_narrow_what_may_be_used() -> None:
    it = guard(suffixes=[".csv", ".txt"], refuse_names=[".git", "*.Pem", "secret*"])

    assert it.look("/data/a.csv") == "/data/a.csv"
    for path in ("/data/a.exe", "/data/a.csv.exe", "/data/a.csv%00.exe", "/data/.GIT/a.csv",
                 "/data/k.PEM/a.txt", "/data/\uff53ecret/a.txt", "/data"):  # fmt: skip
        with pytest.raises(Objection):
            it.look(path)


def test_the_refusal_is_a_sentence_that_names_the_field_and_not_the_value() -> None:
    assert ask(guard(), ["/data/a", "/etc/shadow"]) == Decision(
        refuse="The field $.path[1] must lead to a place under /data."
    )
    assert ask(guard(), "/data/a") is None
    assert ask(guard(), None) is None
    assert ask(guard(), {"deep": ["/data/a", {"er": "/etc"}]}) is not None
    assert ask(guard(), 5) is not None


def test_rewriting_changes_the_field_alone() -> None:
    assert ask(guard(mode="rewrite"), ["/data/a", "/data/b/../c"]) == Decision(
        arguments={"path": ["/data/a", "/data/c"], "n": 1}, note="made plain: $.path[1]"
    )


def test_a_result_that_names_a_place_outside_is_withheld() -> None:
    async def scenario() -> Decision | None:
        it = guard(fields=["$.structuredContent.files[*]"])
        call: dict[str, Any] = {"call_id": "c", "principal": a_principal(), "tool": a_tool()}
        result = {"content": [], "structuredContent": {"files": ["/data/a", "/etc/x"]}}
        return await it.on_result(Result(**call, result=result))

    assert asyncio.run(scenario()) == Decision(
        withhold="The field $.structuredContent.files[1] must lead to a place under /data."
    )


@pytest.mark.parametrize(
    "wrong",
    [{"roots": []}, {"roots": ["data"]}, {"roots": ["/a/../b"]}, {"roots": ["/a/"]},
     {"roots": ["/a"], "relative_to": "/b"}, {"roots": ["/a"], "fields": []},
     {"roots": ["/a"], "fields": ["path"]}],
)  # fmt: skip
def test_settings_that_guard_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuardPathSettings(**{"fields": ["$.path"], **wrong})


# With the real file system


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """root/{a/b, link -> outside, loop -> loop, in -> a, up -> ..}; outside/secret."""
    top = tmp_path_factory.mktemp("tree").resolve()
    (top / "root/a/b").mkdir(parents=True)
    (top / "outside").mkdir()
    (top / "outside/secret").write_text("x")
    (top / "root/a/f.txt").write_text("x")
    (top / "root/link").symlink_to(top / "outside")
    (top / "root/loop").symlink_to("loop")
    (top / "root/in").symlink_to("a")
    (top / "root/up").symlink_to("..")
    (top / "root/f.csv").symlink_to("a/f.txt")
    return top


def test_links_are_followed_where_that_is_asked_for(tree: Path) -> None:
    root = str(tree / "root")
    it = guard(root, resolve=True)

    assert it.look(f"{root}/in/b") == f"{root}/in/b"
    assert it.look(f"{root}/new/file") == f"{root}/new/file"
    assert guard(root, resolve=True, mode="rewrite").look(f"{root}/in/b") == f"{root}/a/b"
    for path in (
        "link",
        "link/secret",
        "up/outside/secret",
        "in/../link/secret",
        "link/none",
        "loop",
        "loop/a",
        "a/f.txt/b",
    ):
        with pytest.raises(Objection):
            it.look(f"{root}/{path}")
    with pytest.raises(Objection, match="file of another kind"):
        guard(root, resolve=True, suffixes=[".csv"]).look(f"{root}/f.csv")
    with pytest.raises(Objection, match=r"'f\.txt', which may not be used"):
        guard(root, resolve=True, refuse_names=["f.txt"]).look(f"{root}/f.csv")


def test_a_root_that_is_a_link_itself_is_where_it_leads(tree: Path) -> None:
    it = guard(str(tree / "root/in"), resolve=True)

    assert asyncio.run(ask_soon(it, f"{tree}/root/in/b")) is None
    assert asyncio.run(ask_soon(it, f"{tree}/root/a/b")) is not None


async def ask_soon(it: GuardPath, path: str) -> Decision | None:
    view = Request(call_id="c", principal=a_principal(), tool=a_tool(), arguments={"path": path})
    return await it.on_request(view)


STEPS = ["a", "b", "in", "link", "loop", "up", "..", ".", "", "%2e%2e", "%252e.", "..%2f", "..\\", "secret",
         "\uff0e\uff0e", "~", " ..", "...", "outside", "f.txt", "%2f", "..%2foutside", "%5c..", "x\0"]  # fmt: skip
PATHS = st.lists(st.sampled_from(STEPS), max_size=7).map("/".join)


@given(PATHS, st.booleans(), st.sampled_from(["check", "rewrite"]))
@settings(max_examples=600)
def test_what_is_let_through_is_really_under_the_root(
    tree: Path, path: str, is_absolute: bool, mode: str
) -> None:
    root = str(tree / "root")
    it = guard(root, resolve=True, mode=mode, relative_to=root)
    text = f"{root}/{path}" if is_absolute else path
    try:
        sent = it.look(text)
    except Objection:
        return

    # As the kernel finds it; doubled slashes would mislead Python behind a circle of links.
    real = os.path.realpath(re.sub("/+", "/", os.path.join(root, sent)))
    assert real == root or real.startswith(root + "/")
    if mode == "rewrite":
        assert sent == real


@given(st.text(st.sampled_from("./\\%2ef5cd~ a\u2025\uff0e\u2215:$"), max_size=14), st.sampled_from(["check", "rewrite"]))  # fmt: skip
@settings(max_examples=1500)
def test_no_reader_finds_another_place_without_links(text: str, mode: str) -> None:
    it = guard("/root/a", mode=mode, relative_to="/root/a")
    try:
        sent = it.look(text)
    except Objection:
        return

    readings = {sent}
    for _ in range(4):
        readings |= {unquote(one) for one in readings}
    readings |= {unicodedata.normalize("NFKC", one) for one in readings}
    readings |= {one.replace("\\", "/") for one in readings}
    readings |= {"/".join(part.rstrip(". ") or part for part in one.split("/")) for one in readings}
    for reading in readings:
        found = os.path.normpath(os.path.join("/root/a", reading))
        assert found == "/root/a" or found.startswith("/root/a/"), reading
