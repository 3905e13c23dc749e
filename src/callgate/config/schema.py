"""The JSON Schema of callgate.yaml, for editors and for people who generate it."""

from __future__ import annotations

import json
from typing import Any

from callgate.config.tree import Config


def schema_text() -> str:
    """The schema as text, the same for the same version of Callgate."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "callgate.yaml",
    }
    _take_references(schema)
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _take_references(schema: Any) -> None:
    """What stands for a secret is `${env:NAME}`, which is shorter than the secret must be."""
    if isinstance(schema, dict):
        if schema.get("format") == "password":
            schema.pop("minLength", None)
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            _take_references(inner)
