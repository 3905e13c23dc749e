"""Cedar: from tools and principals to a verdict, without I/O. docs/pdp.md has the Python API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callgate.policy.decisions import (
        Account,
        Finding,
        Names,
        Policy,
        PolicyError,
        PolicySet,
        Principal,
        Tool,
        Verdict,
        principal,
        tool,
    )

__all__ = ["Account", "Finding", "Names", "Policy", "PolicyError", "PolicySet", "Principal", "Tool",
           "Verdict", "principal", "tool"]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The API when it is first used: every module of this package runs this file before itself."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from callgate.policy import decisions  # noqa: PLC0415 - else each part would load the whole

    return getattr(decisions, name)
