import json
from pathlib import Path

import jsonschema_rs

from callgate.config.schema import schema_text
from callgate.config.source import read_yaml
from callgate.config.starter import EXAMPLE_TARGETS, config_text

COMMITTED = Path(__file__).parents[2] / "docs" / "callgate.schema.json"


def test_the_committed_schema_is_up_to_date() -> None:
    hint = "run: callgate config schema > docs/callgate.schema.json"
    assert COMMITTED.read_text(encoding="utf-8") == schema_text(), hint


def test_the_schema_accepts_what_init_writes_and_refuses_a_mistyped_key() -> None:
    validator = jsonschema_rs.validator_for(json.loads(schema_text()))
    tree = read_yaml(config_text("Title.", EXAMPLE_TARGETS), "c.yaml").plain()
    assert validator.is_valid(tree)
    assert not validator.is_valid({**tree, "listenrs": {}})


def test_every_setting_is_described() -> None:
    definitions = json.loads(schema_text())["$defs"]
    undescribed = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value
    ]
    assert undescribed == []
