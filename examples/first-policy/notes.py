"""Notes in two folders: every public function here is a tool."""

from __future__ import annotations

from typing import Literal

from callgate.upstream.functions import ToolFault

Folder = Literal["drafts", "published"]

_NOTES: dict[Folder, dict[str, str]] = {
    "drafts": {"ideas": "Write less."},
    "published": {"welcome": "Hello."},
}


def list_notes(folder: Folder) -> list[str]:
    """List the notes in a folder."""
    return sorted(_NOTES[folder])


def read_note(folder: Folder, name: str) -> str:
    """Read one note."""
    if name not in _NOTES[folder]:
        raise ToolFault(f"There is no note {name} in {folder}.")
    return _NOTES[folder][name]


def write_note(folder: Folder, name: str, text: str) -> str:
    """Write a note, over the one of this name if there is one."""
    _NOTES[folder][name] = text
    return f"{folder}/{name} has {len(text)} characters."
