"""The demo's story: who calls what, and how each call must end."""

from __future__ import annotations

from callgate.model import Json, Value


class Step(Value):
    """One call, and what the record must say of it."""

    tool: str
    arguments: dict[str, Json]
    code: str = "ok"
    policies: tuple[str, ...] = ()  # determining
    changed_by: tuple[str, ...] = ()  # interceptors that changed the call or its result
    told: str = ""  # what the agent must find in the answer
    not_told: str = ""  # what it must not find there


class Part(Value):
    """What one principal does, and which tools it is shown."""

    principal: str
    who: str
    tools: tuple[str, ...]
    steps: tuple[Step, ...]


READING = (
    "git___git_log",
    "git___git_show",
    "git___git_status",
    "time___convert_time",
    "time___get_current_time",
)
SERVING = ("shop___find_customer", "shop___list_orders", "shop___refund")

STORY = (
    Part(
        principal="ida",
        who="ida is an intern",
        tools=READING,
        steps=(
            Step(
                tool="time___get_current_time",
                arguments={"timezone": "Europe/Berlin"},
                policies=("everyone-reads-the-clock",),
                told="Europe/Berlin",
            ),
            Step(
                tool="git___git_log",
                arguments={"repo_path": "handbook", "max_count": 500},
                policies=("everyone-reads-the-handbook",),
                changed_by=("cap_history",),
                told="Message: Privacy",
                not_told="Message: Welcome",
            ),
            Step(
                tool="git___git_show",
                arguments={"repo_path": "handbook", "revision": "HEAD"},
                policies=("everyone-reads-the-handbook",),
                changed_by=("redact",),
                told="[redacted:email]",
                not_told="maya@",
            ),
            Step(
                tool="shop___find_customer",
                arguments={"customer": "C-17"},
                code="not_permitted",
                told="Policy does not permit this call",
            ),
        ),
    ),
    Part(
        principal="sam",
        who="sam is in support",
        tools=(*READING, *SERVING),
        steps=(
            Step(
                tool="shop___find_customer",
                arguments={"customer": "C-17"},
                policies=("support-serves-customers",),
                changed_by=("redact",),
                told="[redacted:card]",
                not_told="4111",
            ),
            Step(
                tool="shop___refund",
                arguments={"order": "A-1001", "amount": 60, "reason": "broken"},
                policies=("support-serves-customers",),
                told="A-1001",
            ),
            Step(
                tool="shop___refund",
                arguments={"order": "A-1002", "amount": 480, "reason": "too big"},
                code="not_permitted",
                policies=("large-refunds-need-a-lead",),
                told="hand this over",
            ),
            Step(
                tool="shop___refund",
                arguments={"order": "A-1002", "amount": "all", "reason": "too big"},
                code="invalid_arguments",
                told="/amount",
            ),
        ),
    ),
    Part(
        principal="lea",
        who="lea leads support",
        tools=(*READING, *SERVING, "shop___sales_report"),
        steps=(
            Step(
                tool="shop___refund",
                arguments={"order": "A-1002", "amount": 480, "reason": "too big"},
                policies=("leads-run-the-shop", "support-serves-customers"),
                told="A-1002",
            ),
            Step(
                tool="shop___delete_customer",
                arguments={"customer": "C-17"},
                code="not_permitted",
                policies=("nobody-deletes-customers",),
                told="privacy@shop.example",
            ),
        ),
    ),
)
