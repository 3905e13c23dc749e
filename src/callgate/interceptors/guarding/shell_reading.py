"""A command line as its words, and what it holds besides words; only what reads in one way."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from callgate.interceptors.guarding.guards import Objection
from callgate.model import Value

MAX_COMMANDS = 50
MAX_NODES = 20_000

_BLANKS = re.compile(rb"[ \t\n]*")
_BREAKS = frozenset(" \t\n'\"$`;&|<>()")  # a word cannot hold them without a backslash
_META = frozenset(" -'\"\\$`;&|<>(){}[]*?~!#=/")
# What a shell takes for no program where a command begins, unless it is quoted.
_RESERVED = frozenset(
    (
        *("if", "then", "elif", "else", "fi", "case", "esac", "for", "while", "until", "do"),
        *("done", "in", "function", "select", "time", "coproc"),
    )
)
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zs", "Zl", "Zp"))
_GLOB = re.compile(r"[*?\[]|\{.*(?:,|\.\.).*\}?|^~|[:=]~", re.DOTALL)

USES = {
    "pipeline": "pipes",
    "list": "sequences",
    ";": "sequences",
    ";;": "compounds",
    ";&": "compounds",
    ";;&": "compounds",
    "&": "background",
    "redirected_statement": "redirections",
    "file_redirect": "redirections",
    "heredoc_redirect": "heredocs",
    "herestring_redirect": "heredocs",
    "command_substitution": "substitutions",
    "process_substitution": "substitutions",
    "arithmetic_expansion": "substitutions",
    "simple_expansion": "variables",
    "expansion": "variables",
    "$": "variables",
    "brace_expression": "globs",
    "extglob_pattern": "globs",
    "regex": "globs",
    "variable_assignment": "assignments",
    "variable_assignments": "assignments",
    "declaration_command": "assignments",
    "unset_command": "assignments",
}
_PLAIN = frozenset(
    (
        *("program", "command", "command_name", "word", "number", "raw_string", "string"),
        *("string_content", "concatenation", "variable_name", "special_variable_name"),
        *("unary_expression", "binary_expression", "ternary_expression", "postfix_expression"),
        *("parenthesized_expression", "test_operator"),  # within calculations and tests
        *("file_descriptor", "heredoc_start", "heredoc_body", "heredoc_content", "heredoc_end"),
    )
)
_DYNAMIC = frozenset(
    (
        *("command_substitution", "process_substitution", "arithmetic_expansion"),
        *("simple_expansion", "expansion", "brace_expression", "extglob_pattern", "regex"),
    )
)
_NEVER = {
    "ansi_c_string": "holds a text in $'…'",
    "translated_string": 'holds a text in $"…"',
    "comment": "holds a comment",
}
_OPAQUE = frozenset(("heredoc_body", "heredoc_redirect", "herestring_redirect"))
_LANGUAGE = Language(tree_sitter_bash.language())


class Command(Value):
    """One simple command: the words that its program gets; None for one that is not known."""

    words: tuple[str | None, ...]


class Line(Value):
    """A command line."""

    commands: tuple[Command, ...]  # also those inside others
    uses: frozenset[str]  # what it holds besides words, as `allow` has it
    plain: str | None  # written anew, its words quoted; None where there is more than words


def read_line(text: str) -> Line:
    """The command line in a text. Raises Objection where shells may read different ones."""
    check_characters(text)
    root = Parser(_LANGUAGE).parse(text.strip(" \t\n").encode()).root_node
    if root.has_error or root.type != "program":
        raise Objection("is no command line that can be read; write one plain command")
    uses: set[str] = set()
    commands: list[Command] = []
    for node in _nodes(root):
        uses |= _uses_of(node)
        if node.type == "command":
            commands.append(Command(words=tuple(_words_of(node, uses))))
            if len(commands) > MAX_COMMANDS:
                raise Objection(f"holds more than {MAX_COMMANDS} commands")
    return Line(
        commands=tuple(commands),
        uses=frozenset(uses),
        plain=None if uses - _JOINS else _plain(root),
    )


_JOINS = frozenset(("pipes", "sequences"))


def check_characters(text: str, *, besides: str = "\t\n") -> None:
    """Nothing that is not seen, or that turns into what a shell acts on. Raises Objection."""
    if text.isascii() and text.isprintable():
        return
    for character in text:
        if " " <= character <= "~" or character in besides:
            continue
        plain = unicodedata.normalize("NFKC", character)
        if unicodedata.category(character) in _UNSEEN or not _META.isdisjoint(plain):
            raise Objection(
                f"holds U+{ord(character):04X}, which is not seen or taken for another character"
            )


def is_glob(word: str) -> bool:
    """Whether a shell makes other words of an unquoted one."""
    return _GLOB.search(word) is not None


def _nodes(root: Node) -> Iterator[Node]:
    """Every node. Raises Objection for what no setting allows."""
    pending, count = [root], 0
    while pending:
        node = pending.pop()
        count += 1
        if count > MAX_NODES:
            raise Objection("is too long to be read")
        if node.is_missing or node.type in _NEVER:
            raise Objection(_NEVER.get(node.type, "is not complete"))
        yield node
        pending.extend(node.children)


def _uses_of(node: Node) -> set[str]:
    """What a node is besides words, and what stands between its parts. Raises Objection."""
    uses = set()
    if node.type in USES:
        uses.add(USES[node.type])
    elif node.is_named and node.type not in _PLAIN:
        uses.add("compounds")  # also what a newer grammar may come with
    if node.type == "string" or node.type in _OPAQUE:
        return uses
    children, text = node.children, node.text or b""
    for before, after in pairwise(children):
        gap = text[before.end_byte - node.start_byte : after.start_byte - node.start_byte]
        is_split = node.type == "command" and not gap  # the grammar parts what shells do not
        if is_split or _BLANKS.fullmatch(gap) is None:
            raise Objection("holds something between its words that shells read in different ways")
        if b"\n" in gap:
            uses.add("sequences")
    return uses


def _words_of(command: Node, uses: set[str]) -> Iterator[str | None]:
    """The words of a simple command, as its program gets them. Raises Objection."""
    for child in command.children:
        if child.type == "command_name":
            child = child.children[0]
        if child.type not in ("variable_assignment", "file_redirect", "herestring_redirect"):
            yield _word(child, uses)


def _word(node: Node, uses: set[str]) -> str | None:
    parts = node.children if node.type == "concatenation" else [node]
    quoted, bare = [], []
    for before, part in zip([None, *parts], parts, strict=False):
        if before is not None and before.end_byte != part.start_byte:
            raise Objection("holds a word with something in it that is dropped")
        said = _part(part)
        quoted.append(said)
        # Where nothing expands within quotes, a place in quotes still parts what would expand.
        bare.append(_unescaped(part) if part.type in ("word", "number") else "\0")
    if is_glob("".join(bare)):
        uses.add("globs")
    return None if None in quoted else "".join(said for said in quoted if said is not None)


def _part(node: Node) -> str | None:
    """A part of a word without its quotes; None where that is not known. Raises Objection."""
    text = (node.text or b"").decode()
    if node.type in ("word", "number"):
        return _without_backslashes(text)
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "string":
        if any(child.type in _DYNAMIC or child.type == "$" for child in node.children):
            return None
        return _without_backslashes_in_quotes(text[1:-1])
    if node.type in _DYNAMIC or node.type == "$":
        return None
    raise Objection(f"holds {text[:20]!r}, which cannot be read")


def _unescaped(node: Node) -> str:
    """A bare part of a word, what is escaped in it replaced."""
    return re.sub(r"\\.", "\0", (node.text or b"").decode(), flags=re.DOTALL)


def _without_backslashes(text: str) -> str:
    said, rest = [], iter(text)
    for character in rest:
        if character == "\\":
            character = next(rest, "\n")
            if character == "\n":
                raise Objection("holds a backslash at the end of a line")
        elif character in _BREAKS:
            raise Objection(f"holds a {character!r} in a word")
        said.append(character)
    return "".join(said)


def _without_backslashes_in_quotes(text: str) -> str:
    said, rest = [], iter(text)
    for character in rest:
        if character == "\\":
            following = next(rest, "\n")
            if following == "\n":
                raise Objection("holds a backslash at the end of a line")
            said.append(following if following in '$`"\\' else character + following)
        elif character in '$`"':
            raise Objection(f"holds a {character!r} in quotes")
        else:
            said.append(character)
    return "".join(said)


def _as_program(name: str) -> str:
    """Quoted where a shell would take it for an assignment or a word of its own."""
    quoted = shlex.quote(name)
    is_taken = "=" in name or name in _RESERVED
    return f"'{name}'" if quoted == name and is_taken else quoted


def _plain(node: Node) -> str:
    """The line written anew. There is nothing in it but commands, pipes and sequences."""
    if node.type == "command":
        name, *rest = (word or "" for word in _words_of(node, set()))
        return f"{_as_program(name)} {shlex.join(rest)}".rstrip(" ")
    parts, is_after_command = [], False
    for child in node.children:
        if child.is_named:
            parts += [";"] if is_after_command else []
            parts.append(_plain(child))
        else:
            parts.append((child.text or b"").decode())
        is_after_command = child.is_named
    return " ".join(parts)
