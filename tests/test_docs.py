"""The documentation is complete, current, and true where a machine can tell."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import pytest
from docs.generate import regenerated

from callgate.audit import event, findings
from callgate.audit.keys import SigningKey
from callgate.audit.record import FORMAT
from callgate.cli import commands
from callgate.config import Config, load_config
from callgate.config.source import read_yaml
from callgate.config.suites import Cast, cases_of, read_suite
from callgate.interceptors.kinds import KINDS
from callgate.pipeline.pipeline import STAGES
from callgate.policy.source import read_policies
from callgate.protocol.refusals import REFUSALS
from callgate.review.findings import RULES
from callgate.storage.recovery import ENDED_AFTER_ALL
from callgate.telemetry.prometheus import METRICS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
OURS = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("examples/**/*.md")]
PAGES = sorted(path for path in OURS if path.name != "RESULTS.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(callgate [a-z][^`]*)`")
SCHEMA = Config.model_json_schema()
VALIDATOR = jsonschema_rs.validator_for(json.loads((DOCS / "callgate.schema.json").read_text()))


def text_of(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def blocks(language: str) -> list[Any]:
    """Every fenced block of a language, each under the page and line where it begins."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in BLOCK.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 1
                name = f"{page.relative_to(ROOT)}:{line}"
                found.append(pytest.param(match[2], id=name))
    return found


def headings(path: Path) -> list[str]:
    text = BLOCK.sub("", path.read_text("utf-8"))
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from leaves(inner, f"{name} {inner.name}")
    else:
        yield name, command


@pytest.mark.parametrize("stage", [stage.__name__ for stage in STAGES])
def test_every_stage_is_documented(stage: str) -> None:
    assert f"\n## {stage}\n" in text_of("call-path.md")
    assert f"│ {stage} " in (ROOT / "README.md").read_text("utf-8")


def test_the_stages_are_documented_in_their_order() -> None:
    known = [stage.__name__ for stage in STAGES]

    assert [heading for heading in headings(DOCS / "call-path.md") if heading in known] == known


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_interceptor_is_documented(kind: str) -> None:
    assert f"\n## {kind}\n" in text_of("interceptors.md")


@pytest.mark.parametrize("block", sorted(SCHEMA["$defs"]))
def test_every_setting_is_documented(block: str) -> None:
    said = text_of("configuration.md")

    missing = [name for name in SCHEMA["$defs"][block]["properties"] if f"| `{name}` |" not in said]
    assert not missing


@pytest.mark.parametrize("block", sorted(SCHEMA["$defs"]))
def test_every_setting_says_what_it_means(block: str) -> None:
    properties = SCHEMA["$defs"][block]["properties"]

    assert not [
        name for name, of in properties.items() if "description" not in of and "$ref" not in of
    ]


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_code_is_documented(code: str) -> None:
    assert f"| `{code}` |" in text_of("refusals.md")


def test_every_code_that_a_stage_is_said_to_refuse_with_exists() -> None:
    said = re.findall(r"Refuses with (.*?)\.", text_of("call-path.md"), re.DOTALL)
    codes = {code for sentence in said for code in re.findall(r"`(\w+)`", sentence)}

    assert codes <= REFUSALS.keys()


@pytest.mark.parametrize("metric", [metric.name for metric in METRICS])
def test_every_metric_is_documented(metric: str) -> None:
    assert f"`{metric}`" in text_of("metrics.md")


def test_every_rule_of_reviews_is_documented_and_no_other() -> None:
    table = text_of("review.md").partition("\n### Findings\n")[2].partition("\n### ")[0]

    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(RULES)


def names_of_events() -> set[str]:
    """Those that `audit/event.py` names, and constants of modules that make an `event(…)`."""
    named = {value for name, value in vars(event).items() if name.isupper() and value != FORMAT}
    named.add(ENDED_AFTER_ALL)
    for file in (ROOT / "src" / "callgate").rglob("*.py"):
        text = file.read_text("utf-8")
        for constant in re.findall(r"\bevent\(\s*([A-Z_]+),", text):
            named |= set(re.findall(rf'^{constant} = "(\w+)"', text, re.MULTILINE))
    return named


def test_every_kind_of_event_is_documented() -> None:
    table = text_of("audit.md").partition("\n### Events\n")[2].partition("\n### ")[0]
    first = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    documented = set(re.findall(r"`(\w+)`", " ".join(first)))

    assert len(names_of_events()) > 12
    assert names_of_events() <= documented


def test_every_code_of_verify_is_documented() -> None:
    codes = {value for name, value in vars(findings).items() if name.isupper()}

    assert not {code for code in codes if f"`{code}`" not in text_of("audit-proof.md")}


@pytest.mark.parametrize("name", [name for name, _ in leaves(commands, "callgate")])
def test_every_command_is_documented(name: str) -> None:
    assert name in headings(DOCS / "commands.md")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    text = page.read_text("utf-8")

    assert regenerated(text) == text, "run: python docs/generate.py"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_page_can_be_found_from_the_readme(page: Path) -> None:
    assert f"(docs/{page.name})" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text("utf-8"))

    for link in LINK.findall(text):
        if link.startswith(("https://", "http://")):
            continue
        place, _, fragment = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        if fragment:
            assert fragment in [anchor(heading) for heading in headings(target)], link


@pytest.mark.parametrize("text", blocks("cedar"))
def test_policies_in_the_documentation_are_valid(text: str) -> None:
    assert all(policy.id and "#" not in policy.id for policy in read_policies([("doc", text)]))


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configurations_in_the_documentation_are_valid(text: str, tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    targets = "targets: {git: {python: x}, desk: {python: x}}\n"
    whole = text if "\ntargets:" in f"\n{text}" else targets + text
    file.write_text(whole, "utf-8")
    VALIDATOR.validate(read_yaml(whole, file.name).plain())  # as editors do
    named = re.findall(r"\$\{env:(\w+)\}", text)

    # Distinct, and as long as a control token must be; or in the form that secrets of webhooks and keys have.
    values = {name: f"{name}-{'x' * 32}" for name in named}
    values["WEBHOOK_SECRET"] = "whsec_" + "eHh4" * 8
    key = SigningKey("records.example.com/gateway", b"k" * 32)
    values["CALLGATE_SIGNING_KEY"] = key.text
    assert load_config(file, values)


@pytest.mark.parametrize("text", blocks("yml"))
def test_cases_in_the_documentation_are_valid(text: str) -> None:
    suite = read_suite(text, "doc")

    assert cases_of(suite, Cast(tools=suite.tools))


@pytest.mark.parametrize("text", blocks("json"))
def test_json_in_the_documentation_is_valid(text: str) -> None:
    json.loads(text)


@pytest.mark.parametrize("text", blocks("python"))
def test_python_in_the_documentation_compiles(text: str) -> None:
    compile(text, "doc", "exec")


def shown_commands() -> list[Any]:
    found = {}
    for page in PAGES:
        text = page.read_text("utf-8")
        lines = [line for match in BLOCK.finditer(text) if match[1] == "sh" for line in
                 match[2].splitlines()]  # fmt: skip
        for shown in [*lines, *INLINE.findall(BLOCK.sub("", text))]:
            if re.match(r"(export \w+=\S+ )?callgate [a-z]", shown):
                found[shown] = pytest.param(shown, id=f"{page.relative_to(ROOT)}: {shown}")
    return list(found.values())


@pytest.mark.parametrize("line", shown_commands())
def test_commands_in_the_documentation_exist(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = commands
    while isinstance(command, click.Group) and words:
        implied = getattr(command, "implied", None)  # the command that need not be named
        if words[0] not in command.commands and implied is not None:
            command = command.commands[implied]
            continue
        assert words[0] in command.commands, line
        command = command.commands[words.pop(0)]
    own = words[: words.index("--")] if "--" in words else words

    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    assert {word.partition("=")[0] for word in own if word.startswith("--")} <= known
