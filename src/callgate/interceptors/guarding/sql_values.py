"""Whether a plain text, put into SQL by a target, would be more than a value there."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import re2
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

Node = tuple[type[exp.Expr], str | None, bool]

_COMMENT = re2.compile(r"/\*(?s:.*?)\*/")

_PATTERNS = tuple(
    (name, re2.compile(rf"(?i){pattern}"))
    for name, pattern in (
        (
            "a second statement",
            r";\s*(?:select\b[^.;]|(?:insert|replace|merge)\s+into\b|update\s+\S+\s+set\b"
            r"|delete\s+from\b|truncate\s+\w|(?:drop|alter|create)\s+(?:or\s+replace\s+)?(?:table"
            r"|view|index|database|schema|user|role|login|function|procedure|trigger|extension)\b"
            r"|(?:grant|revoke)\s+\S+\s+(?:on|to|from)\b|exec(?:ute)?\s+\w|call\s+\w+\s*\("
            r"|shutdown\b|declare\s+@?\w|set\s+\S+\s*(?:=|to\b)|copy\s+\S+\s+(?:to|from)\b"
            r"|attach\s|load\s+data\b|do\s+\$|waitfor\s)",
        ),
        ("UNION", r"\bunion\b[\s(]*(?:all\b|distinct\b)?[\s(]*select\b"),
        ("a comment", r"['\"]\s*(?:--|#|/\*)|;\s*--|/\*!"),
        ("a delay", r"\b(?:pg_sleep|sleep|benchmark|waitfor\s+delay|dbms_lock\.sleep)\b\s*[('\"]"),
        ("a file", r"\binto\s+(?:out|dump)file\b|\bload_file\s*\("),
    )
)
_CHOICE = re2.compile(
    r"(?i)(?:\b(?:or|and|xor)\b|\|\||&&)\s*\(*\s*(?:not\s+)?"
    r"('[^']*'?|\"[^\"]*\"?|[\w.]+)\s*\)*\s*"
    r"(?:=|<=>|<>|!=|<=|>=|<|>|\blike\b|\bis\b|\bin\b\s*\()\s*\(*\s*"
    r"('[^']*'?|\"[^\"]*\"?|[\w.]+)"
)
_CONSTANT_CHOICE = re2.compile(
    r"(?i)['\")]\s*(?:\bor\b|\|\|)\s*\(*\s*(?:not\s+)?(?:true|false|\d+)\b"
    r"|^\s*-?\d+\s*(?:\bor\b|\|\|)\s*\(*\s*(?:not\s+)?(?:true\b|false\b|\d+\s*(?:--|#|;))"
)
_TEMPLATES = (
    "SELECT a FROM t WHERE c = {0} AND d",
    "SELECT a FROM t WHERE c = {0}",
    "SELECT a FROM t WHERE c IN ({0})",
    "SELECT a FROM t WHERE ((c = {0}))",
    "INSERT INTO t VALUES ({0})",
)
_NUMBER = re.compile(r"[\d.]+|0x[0-9a-f]+")


def injection_in(text: str, dialect: Dialect) -> str:
    """What kind of injection the text looks like; "" where it looks like none.

    The patterns are looked for in what the text is after decoding; then the text is put between
    quotes in a query: where that still reads as SQL and is no longer one text, it broke out.
    """
    for reading in _readings(text):
        for name, pattern in _PATTERNS:
            if pattern.search(reading):
                return name
        if _has_tautology(reading):
            return "a condition that always holds"
    return "a quote that ends the value" if _breaks_out(text, dialect) else ""


def _readings(text: str) -> list[str]:
    """The text, and what it is without percent-encoding, comments and look-alike characters."""
    readings = dict.fromkeys((text,))
    plain = unicodedata.normalize("NFKC", unquote(unquote(text.replace("+", " "))))
    readings[_COMMENT.sub(" ", plain)] = None
    readings[plain] = None
    return list(readings)


def _has_tautology(text: str) -> bool:
    if _CONSTANT_CHOICE.search(text):
        return True
    for found in _CHOICE.finditer(text):
        left, right = (side.strip("'\"").lower() for side in found.groups())
        if left == right or (_is_constant(found.group(1)) and _is_constant(found.group(2))):
            return True
    return False


def _is_constant(side: str) -> bool:
    return side[0] in "'\"" or _NUMBER.fullmatch(side.lower()) is not None


def _breaks_out(text: str, dialect: Dialect) -> bool:
    return any(quote in text and _is_more_than(text, quote, dialect) for quote in "'\"")


def _is_more_than(text: str, quote: str, dialect: Dialect) -> bool:
    """Whether the text between quotes reads as SQL in some place, and not as one value there."""
    return any(
        shape != _shape(template, "x", quote, dialect)
        for template in _TEMPLATES
        if (shape := _shape(template, text, quote, dialect)) is not None
    )


def _shape(template: str, text: str, quote: str, dialect: Dialect) -> list[Node] | None:
    """The nodes of the SQL without their values; None where it is none."""
    try:
        trees = dialect.parse(template.format(f"{quote}{text}{quote}"))
    except (SqlglotError, RecursionError):
        return None
    return [
        (type(node), node.arg_key, bool(node.comments))
        for tree in trees
        if tree is not None
        for node in tree.walk()
    ]
