"""SQL as a tree: its one statement, what that does, and which tables and functions it uses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token

from callgate.interceptors.guarding.guards import Objection

# Characters that databases turn into quotes when they convert a text to an older character set.
_BECOME_QUOTES = frozenset("\u02b9\u02ba\u02bc\u02c8\u275b\u275c")
_QUOTES = frozenset("'\"`;\\")
_UNSEEN = frozenset(("Cc", "Cf", "Cs"))
_ESCAPED_QUOTE = re.compile(r"\\['\"`]")
_PLAIN_NAME = re.compile(r"[\w$ -]+")
_BLANK = frozenset(" \t\r\n")

KINDS: Mapping[type[exp.Expr], str] = {
    exp.Insert: "insert",
    exp.Update: "update",
    exp.Delete: "delete",
    exp.Merge: "merge",
    exp.Create: "create",
    exp.Alter: "alter",
    exp.Drop: "drop",
    exp.TruncateTable: "truncate",
}
_OBJECTS = frozenset(("TABLE", "VIEW", "INDEX"))

_NEVER: Mapping[type[exp.Expr], str] = {
    exp.Command: "is a statement that cannot be read",
    exp.Lock: "locks rows (FOR UPDATE or the like)",
    exp.Hint: "holds a hint for the database",
    exp.SessionParameter: "reads a setting of the database (@@…)",
    exp.Directory: "reads or writes a directory",
    exp.DynamicIdentifier: "names a table by a value",
}

# Functions that the library knows and that do more than compute.
_REACHING: tuple[type[exp.Expr], ...] = (
    exp.ReadCSV,
    exp.ReadParquet,
    exp.ToFile,
    exp.NetFunc,
    exp.NextValueFor,
    exp.AIAgg,
    exp.AIClassify,
    exp.AIEmbed,
    exp.AIGenerate,
    exp.AISimilarity,
    exp.AISummarizeAgg,
    exp.AIForecast,
    exp.GenerateText,
    exp.GenerateTable,
    exp.GenerateEmbedding,
    exp.GenerateBool,
    exp.GenerateDouble,
    exp.GenerateInt,
    exp.MLForecast,
    exp.MLTranslate,
    exp.Predict,
    exp.VectorSearch,
    exp.Anonymous,
    exp.AnonymousAggFunc,
)


def read_statement(text: str, dialect: Dialect, *, may_comment: bool) -> exp.Expr:
    """The one statement in a text. Raises Objection."""
    check_characters(text)
    if _ESCAPED_QUOTE.search(text) is not None:
        raise Objection(
            "holds a backslash before a quote, which databases read in different ways; "
            "write the quote twice"
        )
    try:
        tokens = dialect.tokenize(text)
        parsed = dialect.parser().parse(tokens, text)
    except (SqlglotError, RecursionError):
        raise Objection("is no SQL that can be read; write one plain statement") from None
    trees = [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(trees) != 1:
        raise Objection(f"holds {len(trees)} statements; send one")
    if not may_comment and not isinstance(trees[0], exp.Command):
        _check_gaps(text, tokens)
    return trees[0]


def check_characters(text: str) -> None:
    """Nothing that is not seen, and nothing that may become a quote. Raises Objection."""
    for character in text:
        if " " <= character <= "~" or character in _BLANK:
            continue
        plain = unicodedata.normalize("NFKC", character)
        if (
            unicodedata.category(character) in _UNSEEN
            or character in _BECOME_QUOTES
            or not _QUOTES.isdisjoint(plain)
        ):
            raise Objection(
                f"holds U+{ord(character):04X}, which databases may drop or take for a quote"
            )


def _check_gaps(text: str, tokens: Sequence[Token]) -> None:
    """Between tokens stands nothing but blanks: no comment, in no dialect. Raises Objection."""
    at = 0
    for token in tokens:
        if not _BLANK.issuperset(text[at : token.start]):
            raise Objection("holds a comment; leave it out")
        at = token.end + 1
    if not _BLANK.issuperset(text[at:].replace(";", "")):
        raise Objection("holds a comment; leave it out")


def kind_of(tree: exp.Expr) -> str | None:
    """`select`, `insert` …; None for a statement that no setting names."""
    return "select" if isinstance(tree, exp.Query) else KINDS.get(type(tree))


def kinds_in(tree: exp.Expr) -> Iterator[str]:
    """The kinds of the statement and of those inside it. Raises Objection for what never may be."""
    kind = kind_of(tree)
    if kind is None:
        raise Objection(f"is a statement of another kind ({tree.key})")
    yield kind
    for node in tree.walk():
        for never, reason in _NEVER.items():
            if isinstance(node, never):
                raise Objection(reason)
        if isinstance(node, exp.Into):
            yield "create"
        elif isinstance(node, exp.Create | exp.Drop | exp.Alter):
            _check_object(node)
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier | exp.Func):
            raise Objection("reads from something that is no table")
        if type(node) in KINDS:
            yield KINDS[type(node)]
        if isinstance(node, exp.PropertyEQ) and isinstance(node.this, exp.Parameter):
            raise Objection("sets a variable")


def _check_object(node: exp.Create | exp.Drop | exp.Alter) -> None:
    """Tables, views and indices only, without properties: those may name files and servers."""
    kind = str(node.args.get("kind")).upper()
    properties = node.args.get("properties")
    if kind not in _OBJECTS:
        raise Objection(f"is about a {kind.lower()[:40]}; only tables, views and indices may be")
    if properties is not None and not all(
        isinstance(one, exp.TemporaryProperty) for one in properties.expressions
    ):
        raise Objection("creates something with properties of its own")


def tables_in(tree: exp.Expr) -> Iterator[tuple[str, ...]]:
    """Every table that is used, as (…, schema, name) in lower case. Raises Objection.

    What a WITH defines is no table, where it can be seen: a name inside its own definition means
    the real table.
    """
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Func):
            continue  # is a function
        parts = tuple(part.name.lower() for part in table.parts)
        if not all(_PLAIN_NAME.fullmatch(part) for part in parts):
            raise Objection("uses a table whose name could be a file or a server")
        if len(parts) > 1 or not _is_defined(table, parts[0]):
            yield parts


def _is_defined(table: exp.Table, name: str) -> bool:
    """Whether a WITH around the table, and not around it only in part, defines its name."""
    inner: exp.Expr = table
    while (outer := inner.parent) is not None:
        if isinstance(outer, exp.With):
            for one in outer.expressions:  # definitions before this one can be seen from it
                if one is inner and not outer.args.get("recursive"):
                    break
                if one.alias.lower() == name:
                    return True
                if one is inner:
                    break
        else:
            around = outer.args.get("with_")
            defined = around.expressions if around is not None and around is not inner else ()
            if any(one.alias.lower() == name for one in defined):
                return True
        inner = outer
    return False


def functions_in(tree: exp.Expr, dialect: Dialect | None) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every function that is used: its names in lower case, and whether it only computes.

    With a dialect, its name there is among them, which takes writing the call anew.
    """
    for node in tree.find_all(exp.Func):
        parent = node.parent
        if isinstance(parent, exp.Dot) and parent.expression is node:
            yield (f"{parent.this.sql()}.{_name(node)}".lower(),), False
        elif isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
            yield (_name(node).lower(),), False
        elif not isinstance(node, exp.Connector):
            names = [name.lower() for name in node.sql_names()]
            if dialect is not None:
                names.append(node.sql(dialect).partition("(")[0].lower())
            yield tuple(names), not isinstance(node, _REACHING)


def _name(node: exp.Func) -> str:
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return node.name or str(node.this)
    return node.sql_name()


def has_tautology(tree: exp.Expr) -> bool:
    """Whether some OR holds whatever the data says: `a = 1 OR 1 = 1`."""
    return any(
        is_always(side)
        for choice in tree.find_all(exp.Or, exp.Xor)
        for side in (choice.this, choice.expression)
    )


def is_always(condition: exp.Expr) -> bool:
    """Whether a condition is about no data: no column, or a column beside itself."""
    condition = condition.unnest()
    if isinstance(condition, exp.Or):
        return is_always(condition.this) or is_always(condition.expression)
    if isinstance(condition, exp.And):
        return is_always(condition.this) and is_always(condition.expression)
    is_comparison = isinstance(condition, exp.EQ | exp.GTE | exp.LTE | exp.Like | exp.NullSafeEQ)
    if is_comparison and condition.this == condition.expression:
        return True
    return condition.find(exp.Column, exp.Table, exp.Placeholder, exp.Parameter) is None


def is_unfiltered(tree: exp.Expr) -> bool:
    """Whether some UPDATE or DELETE changes every row."""
    for change in tree.find_all(exp.Update, exp.Delete):
        if isinstance(change.parent, exp.When):
            continue  # a branch of MERGE, which its condition filters
        where = change.args.get("where")
        if where is None or is_always(where.this):
            return True
    return False


def is_limited(tree: exp.Expr, most: int) -> bool:
    """Whether a query says itself that it returns at most so many rows."""
    limit = tree.args.get("limit")
    if isinstance(limit, exp.Limit) and not limit.expressions:
        count = limit.expression
    elif isinstance(limit, exp.Fetch):
        count = limit.args.get("count")
    else:
        return False
    if limit.args.get("limit_options") and any(
        limit.args["limit_options"].args.get(key) for key in ("percent", "with_ties")
    ):
        return False
    is_number = isinstance(count, exp.Literal) and not count.is_string and count.name.isdecimal()
    return is_number and len(count.name) < 10 and int(count.name) <= most
