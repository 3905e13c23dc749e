"""The JSON Schema of callgate.yaml, for editors and for people who generate it."""

from __future__ import annotations

import json

from callgate.config.tree import Config


def schema_text() -> str:
    """The schema as text, the same for the same version of Callgate."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "callgate.yaml",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
