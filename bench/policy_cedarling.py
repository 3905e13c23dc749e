"""Decides with Cedarling, in an environment of its own. A program; needs no Callgate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cedarling_python import BootstrapConfig, Cedarling, EntityData, RequestUnsigned
from policy_turns import Answer, Asked, serve


class Store:
    """One instance over the store in a folder. Contexts are given to it ready made."""

    def __init__(self, folder: Path) -> None:
        options = {
            "CEDARLING_APPLICATION_NAME": "bench",
            "CEDARLING_POLICY_STORE_LOCAL_FN": str(folder / "store"),
            "CEDARLING_LOG_TYPE": "off",
        }
        self.cedarling = Cedarling(BootstrapConfig(options))
        entities = json.loads((folder / "entities.json").read_text())
        principals = {
            one["uid"]["id"]: one for one in entities if one["uid"]["type"].endswith("User")
        }
        self.principals = {
            name: entity(
                one["uid"], **one["attrs"], groups=[group["id"] for group in one["parents"]]
            )
            for name, one in principals.items()
        }
        gateway = next(one for one in entities if one["uid"]["type"].endswith("::Gateway"))
        self.resource = entity(gateway["uid"])
        self.namespace = gateway["uid"]["type"].rpartition("::")[0]
        self.decided = Asked(json.loads((folder / "uses.json").read_text())["decided"])

    def take_turn(self, limit: int, seconds: float) -> dict[str, Any]:
        return {"decided": self.decided.turn(limit, seconds, self.prepare, self.ask, read)}

    def prepare(self, use: dict[str, Any]) -> tuple[EntityData, str, dict[str, Any]]:
        action = f"{self.namespace}::Action::{json.dumps(use['tool'])}"
        return self.principals[use["principal"]], action, use["context"]

    def ask(self, prepared: tuple[EntityData, str, dict[str, Any]]) -> Any:
        principal, action, context = prepared
        request = RequestUnsigned(
            action=action, resource=self.resource, context=context, principal=principal
        )
        return self.cedarling.authorize_unsigned(request)


def entity(uid: dict[str, str], **attributes: Any) -> EntityData:
    mapping = {"entity_type": uid["type"], "id": uid["id"]}
    return EntityData.from_dict({"cedar_entity_mapping": mapping, **attributes})


def read(result: Any) -> Answer:
    said = result.response.diagnostics
    return result.is_allowed() and not said.errors, sorted(said.reason)


if __name__ == "__main__":
    serve(Store(Path(sys.argv[1])).take_turn)
