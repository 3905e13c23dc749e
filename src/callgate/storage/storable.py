"""Entries that no database could ever hold, whatever is repaired: they must not stop the others."""

from __future__ import annotations

from callgate.audit.record import Entry


def unstorable(entry: Entry, most_bytes: int) -> str | None:
    """Why the entry can never be stored; None where it can. For after a fault."""
    columns = (entry.run, entry.principal, entry.agent, entry.target, entry.tool, entry.code)
    try:
        for text in (entry.kind, entry.call_id, entry.body.decode()):
            text.encode()
        for optional in (*columns, entry.ran):
            if optional is not None:
                optional.encode()
        if entry.payload is not None:
            entry.payload.decode()
        float(entry.at)
    except (AttributeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    size = len(entry.body) + len(entry.payload or b"")
    if size > most_bytes:
        return f"it has {size} bytes, more than {most_bytes}"
    return None
