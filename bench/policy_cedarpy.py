"""Decides with cedarpy over the whole set: all is parsed once, requests validated. A program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cedarpy
from policy_turns import Answer, Asked, serve
from policy_world import NAMES

RESOURCE = NAMES.uid(NAMES.GATEWAY, NAMES.gateway)


class Whole:
    """The handles, and the calls to decide. Contexts are given to it ready made."""

    def __init__(self, folder: Path) -> None:
        texts = [file.read_text() for file in sorted(folder.glob("*.cedar"))]
        ests = [
            est
            for text in texts
            for est in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
        ]
        document = {
            "staticPolicies": {est["annotations"]["id"]: est for est in ests},
            "templates": {},
            "templateLinks": [],
        }
        self.policies = cedarpy.PolicySet.from_json_str(json.dumps(document))
        self.schema = cedarpy.Schema.from_json_str((folder / "schema.json").read_text())
        entities = (folder / "entities.json").read_text()
        self.entities = cedarpy.Entities.from_json_str(entities, self.schema)
        self.decided = Asked(json.loads((folder / "uses.json").read_text())["decided"])

    def take_turn(self, limit: int, seconds: float) -> dict[str, Any]:
        return {"decided": self.decided.turn(limit, seconds, prepare, self.ask, read)}

    def ask(self, request: dict[str, Any]) -> Any:
        return cedarpy.is_authorized(request, self.policies, self.entities, self.schema)


def prepare(use: dict[str, Any]) -> dict[str, Any]:
    return {
        "principal": NAMES.uid(NAMES.USER, use["principal"]),
        "action": {"type": f"{NAMES.namespace}::Action", "id": use["tool"]},
        "resource": RESOURCE,
        "context": use["context"],
    }


def read(result: Any) -> Answer:
    said = result.diagnostics
    return result.allowed and not said.errors, sorted(said.reasons)


if __name__ == "__main__":
    serve(Whole(Path(sys.argv[1])).take_turn)
