from pathlib import Path
from typing import Any

from callgate.config import load_config
from callgate.config.starter import (
    EXAMPLE_MODULE,
    EXAMPLE_POLICY,
    EXAMPLE_TARGETS,
    config_text,
    policies_text,
)
from callgate.model import Principal, Tool
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.policy.validation import findings
from callgate.upstream.functions import load_functions


def test_the_starting_configuration_is_valid(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "starter.cedar").write_text(policies_text(EXAMPLE_TARGETS))
    (tmp_path / "callgate.yaml").write_text(config_text("Title.", EXAMPLE_TARGETS))
    config = load_config(tmp_path / "callgate.yaml", {})
    assert list(config.targets) == list(EXAMPLE_TARGETS)
    assert config.identity.anonymous is not None
    assert [path.name for path in config.policy_files] == ["starter.cedar"]


def test_the_first_line_tells_editors_where_the_schema_is() -> None:
    first = config_text("Title.", {}).splitlines()[0]
    assert first == "# yaml-language-server: $schema=./callgate.schema.json"


def test_a_permit_for_each_target_and_nothing_else() -> None:
    policies = read_policies([("starter.cedar", policies_text(["files", "git.hub-2"]))])
    assert [(policy.id, policy.effect, policy.actions) for policy in policies] == [
        ("may-call-files", "permit", ("files",)),
        ("may-call-git.hub-2", "permit", ("git.hub-2",)),
    ]
    assert all(
        policy.principal.entity_type == "Callgate::UnauthenticatedUser" for policy in policies
    )
    assert all(policy.resource.uids == (("Callgate::Gateway", "main"),) for policy in policies)


def question(tool: Tool, **arguments: Any) -> Question:
    principal = Principal(id="anonymous", issuer="callgate", kind="anonymous")
    return Question(
        principal=principal, tool=tool, arguments=arguments, enriched={}, now=1_790_000_000.0
    )


def test_the_example_works_as_its_comments_say(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(EXAMPLE_MODULE)
    policies = read_policies([("starter.cedar", policies_text(EXAMPLE_TARGETS, EXAMPLE_POLICY))])
    functions = load_functions("shop", tmp_path)
    tools = {
        name: Tool(target="shop", name=name, definition=function.definition, digest=name)
        for name, function in functions.items()
    }
    assert findings(Names(), policies, list(tools.values()), {}, {"shop": True}) == []
    engine = Engine(policies, Names(), {})
    assert engine.authorize(question(tools["find_order"], order_id="A-1001")).is_permitted
    assert engine.authorize(question(tools["refund"], order_id="A-1001", amount=45)).is_permitted
    refused = engine.authorize(question(tools["refund"], order_id="A-1002", amount=380))
    assert not refused.is_permitted
    assert refused.advice is not None
    assert refused.advice.startswith("Refunds above 100 euros are made by a person.")


def test_without_targets_there_is_still_a_file_to_start_from() -> None:
    assert read_policies([("starter.cedar", policies_text([]))]) == ()
    assert "targets:\n  {}\n" in config_text("Title.", {})
