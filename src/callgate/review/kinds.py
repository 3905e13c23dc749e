"""What a tool does, as far as its name says: reads, sends, makes, deletes. No proof."""

from __future__ import annotations

import re

from callgate.model import SEPARATOR

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SENDING = _set(
    "send reply forward post publish upload share email mail notify message tweet comment push "
    "invite transfer pay wire submit dispatch broadcast webhook export"
)
READING = _set(
    "get list read search find query fetch show lookup download view describe count check cat head "
    "tail grep ls stat status log diff recent latest balance history"
)
MAKING = _set(
    "create add new make write insert send post upload publish open schedule book register invite "
    "append put save"
)
DELETING = _set(
    "delete remove rm unlink drop purge erase destroy clear cancel revoke trash archive truncate "
    "wipe unsend recall"
)
TRACES = _set("log logs audit history trail events journal trash sent outbox record")


def words_of(tool: str) -> tuple[str, ...]:
    """The words of a tool's own name: `mail___sendMessage` → send, message."""
    name = tool.rpartition(SEPARATOR)[2] or tool
    return tuple(word.lower() for word in _WORDS.findall(name))


def is_sending(tool: str) -> bool:
    """Whether what it is given leaves for somebody else.

    Not by the hints of the target (`readOnlyHint`): nobody vouches for those.
    """
    return _acts(tool, SENDING) and not _begins_with(tool, READING)


def is_making(tool: str) -> bool:
    """Whether something comes into being that can be deleted again."""
    return _acts(tool, MAKING) and not _begins_with(tool, READING)


def is_deleting(tool: str) -> bool:
    """Whether something is gone afterwards."""
    return _acts(tool, DELETING) and not _begins_with(tool, READING)


def is_of_traces(tool: str) -> bool:
    """Whether it is about what tells of the past: logs, histories, outboxes."""
    return not TRACES.isdisjoint(words_of(tool))


def _acts(tool: str, verbs: frozenset[str]) -> bool:
    return not verbs.isdisjoint(words_of(tool))


def _begins_with(tool: str, verbs: frozenset[str]) -> bool:
    words = words_of(tool)
    return bool(words) and words[0] in verbs
