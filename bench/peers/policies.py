"""Cedar policies for the benchmark: spread evenly over the tools, or all of them on one tool."""

from __future__ import annotations

from collections.abc import Sequence

# What an operator writes for one tool: (effect, group it is for, condition). The caller of the
# benchmark is in `payments` and `staff`, so that some of these match it and some do not.
RULES = (
    ("permit", "payments", "context.input.amount <= 100000"),
    ("forbid", "", "context.input.amount > 1000000"),
    ("permit", "support", "context.input.amount <= 500"),
    ("forbid", "", 'context.input has note && context.input.note like "*password*"'),
    ("permit", "auditors", 'context.input.customer like "c-*"'),
    ("forbid", "contractors", "context.input.amount > 50"),
    ("permit", "staff", 'context.input.customer == "c-internal" && context.input.amount == 0'),
    ("permit", "on-call", "context.input.amount <= 5000"),
    ("forbid", "staff", 'context.input.customer like "blocked-*"'),
    ("permit", "finance", 'context.input.amount > 100000 && context.input.customer like "c-*"'),
)


def spread(count: int, actions: Sequence[str]) -> str:
    """The first rule for every tool, then the second for every tool, and so on."""
    rounds = count // len(actions)
    return "\n".join(
        policy(effect, group, action, condition)
        for effect, group, condition in RULES[:rounds]
        for action in actions
    )


def on_one_tool(count: int, action: str) -> str:
    """The worst case: every policy is for this tool and for everybody, and has to be evaluated."""
    first = policy("permit", "", action, RULES[0][2])
    others = (
        policy("forbid", "", action, f'context.input.customer like "blocked-{number}-*"')
        for number in range(1, count)
    )
    return "\n".join([first, *others])


def on_all_tools(count: int, target: str, actions: Sequence[str]) -> str:
    """Every rule is for all tools of the target; the rest are for single tools."""
    for_all = (policy(effect, group, target, condition, "in") for effect, group, condition in RULES)
    return "\n".join([*for_all, spread(count - len(RULES), actions)])


def policy(effect: str, group: str, action: str, condition: str, relation: str = "==") -> str:
    principal = f'principal in Callgate::Group::"{group}"' if group else "principal"
    scope = f'{principal}, action {relation} Callgate::Action::"{action}", resource'
    return f"{effect} ({scope}) when {{ {condition} }};"


def permit(*methods: str) -> str:
    """Everybody may, whatever the arguments."""
    actions = ", ".join(f'Callgate::Action::"{method}"' for method in methods)
    return f"permit (principal, action in [{actions}], resource);"
