"""The same decision without a gateway, by the same policies: `callgate.policy` as a library."""

from pathlib import Path

from callgate.policy import PolicySet, principal, tool

WRITE = tool(
    "record___write",
    {
        "type": "object",
        "properties": {
            "id": {"enum": ["record-1", "record-2"]},
            "status": {"enum": ["active", "archived", None]},
        },
        "required": ["id"],
        "additionalProperties": False,
    },
)

policies = PolicySet.from_files(Path(__file__).parent / "policies" / "records.cedar")
alice = principal("alice")

for record in ("record-1", "record-2"):
    account = policies.explain(alice, WRITE, {"id": record})
    print(f"alice write {record}: {account.verdict.reason}")
    for miss in account.near:
        print(f"  would be permitted if {miss.change} ({miss.policy})")
