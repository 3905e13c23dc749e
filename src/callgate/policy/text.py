"""Cedar text before the parser sees it: limits, statements and clauses with their places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from callgate.model import Value

MAX_NESTING = 100  # cedarpy dies of a stack overflow from about 500 nested parentheses on
MAX_TEXT_BYTES = 16 << 20
MAX_STATEMENT_BYTES = 256 << 10
MAX_OPERATORS = 1000  # in one policy: the parser goes down for each in a row, without brackets too
MAX_ACCESSES = 3000
_SHORT = 2 * MAX_OPERATORS  # characters: what is shorter cannot hold so many

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_COARSE = re.compile(rf'{_STRING}|//[^\n]*|[(\[{{]|[)\]}}]|[!-]+|;|"', re.DOTALL)
_SPACE = re.compile(r"(?:\s++|//[^\n]*+)*+")
_FINE = re.compile(
    rf"(?P<space>\s+|//[^\n]*)|(?P<string>{_STRING})|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>[0-9]+)|(?P<sign>::|==|!=|<=|>=|&&|\|\||[@()\[\]{},;.<>!+*:=?%/-])",
    re.DOTALL,
)
_TERMS = re.compile(
    rf"{_STRING}|//[^\n]*|(?P<operator>&&|\|\||[+*-]|\bif\b)|(?P<access>\.)", re.DOTALL
)
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")


class TextError(Exception):
    """A text is beyond the limits or cannot be taken apart. `offset` says where, in characters."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset


class Statement(Value):
    """One policy as written: from its first annotation to its semicolon."""

    text: str
    offset: int  # in the whole text, in characters
    line: int  # from 1
    column: int  # from 1


class Token(Value):
    """One token of a statement."""

    text: str
    kind: str  # string | word | number | sign
    offset: int

    @property
    def end(self) -> int:
        """The offset just after it."""
        return self.offset + len(self.text)


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    before = text.count("\n", 0, offset)
    return before + 1, offset - text.rfind("\n", 0, offset)


def statements(text: str) -> Iterator[Statement]:
    """The statements of a policy text. Raises TextError, before any parser has seen the text.

    INVARIANT: nothing that comes out of here can overflow the parser's stack.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise TextError(f"the text is longer than {MAX_TEXT_BYTES} characters; split it", 0)
    start, depth = _after_space(text, 0), 0
    line, counted = 1, 0
    for token in _COARSE.finditer(text, start):
        first = token[0][0]
        if first in _OPENING:
            depth += 1
        elif first in _CLOSING:
            depth -= 1
        elif token[0] == '"':
            raise TextError('this text in quotes is not closed; end it with `"`', token.start())
        if depth > MAX_NESTING or (first in "!-" and len(token[0]) > MAX_NESTING):
            raise TextError(f"nested deeper than {MAX_NESTING}; simplify it", token.start())
        if first != ";" or depth > 0:
            continue
        line += text.count("\n", counted, start)
        counted = start
        yield _statement(text, start, token.end(), line)
        start, depth = _after_space(text, token.end()), 0
    if start < len(text):
        line += text.count("\n", counted, start)
        yield _statement(text, start, len(text.rstrip()), line)


def _after_space(text: str, offset: int) -> int:
    found = _SPACE.match(text, offset)
    return found.end() if found is not None else offset


def _statement(text: str, start: int, end: int, line: int) -> Statement:
    if end - start > MAX_STATEMENT_BYTES:
        raise TextError(
            f"one policy is longer than {MAX_STATEMENT_BYTES} characters; split it", start
        )
    if end - start > _SHORT:
        _check_terms(text, start, end)
    column = start - text.rfind("\n", 0, start)
    return Statement(text=text[start:end], offset=start, line=line, column=column)


def _check_terms(text: str, start: int, end: int) -> None:
    operators = accesses = 0
    for found in _TERMS.finditer(text, start, end):
        operators += found["operator"] is not None
        accesses += found["access"] is not None
        if operators > MAX_OPERATORS or accesses > MAX_ACCESSES:
            problem = f"one policy has more than {MAX_OPERATORS} operators; split it"
            raise TextError(problem, found.start())


def tokens(text: str) -> list[Token]:
    """The tokens of a statement. Raises TextError at a character that begins none."""
    found: list[Token] = []
    offset = 0
    while offset < len(text):
        match = _FINE.match(text, offset)
        if match is None:
            raise TextError(f"{text[offset]!r} is not part of Cedar", offset)
        if match.lastgroup != "space":
            found.append(Token(text=match[0], kind=match.lastgroup or "", offset=offset))
        offset = match.end()
    return found


class Span(Value):
    """A condition as written, and where it stands in its statement."""

    kind: str  # when | unless
    start: int
    end: int


def clause_spans(statement: str) -> list[list[Span]]:
    """Each condition of a statement, taken apart into the conjuncts of a `when`.

    An `unless` stays whole, for its conjuncts do not hold one by one. The statement is one that
    Cedar's parser took.
    """
    found: list[list[Span]] = []
    every = tokens(statement)
    depth = 0
    for index, token in enumerate(every):
        if token.text in _OPENING:
            depth += 1
        elif token.text in _CLOSING:
            depth -= 1
        elif depth == 0 and token.text in ("when", "unless") and _is_condition(every, index):
            body = _body(every, index + 1)
            found.append(_conjuncts(token.text, body) if body else [])
    return found


def _is_condition(every: list[Token], index: int) -> bool:
    """Whether a word is a keyword here, not the name of an annotation."""
    after = every[index + 1].text if index + 1 < len(every) else ""
    return after == "{" and (index == 0 or every[index - 1].text != "@")


def _body(every: list[Token], opening: int) -> list[Token]:
    """The tokens between the brace at `opening` and the one that closes it."""
    depth = 0
    for index in range(opening, len(every)):
        if every[index].text in _OPENING:
            depth += 1
        elif every[index].text in _CLOSING:
            depth -= 1
            if depth == 0:
                return every[opening + 1 : index]
    return []


def _conjuncts(kind: str, body: list[Token]) -> list[Span]:
    whole = [Span(kind=kind, start=body[0].offset, end=body[-1].end)]
    if kind == "unless" or body[0].text == "if":
        return whole
    cuts, depth = [], 0
    for index, token in enumerate(body):
        if token.text in _OPENING:
            depth += 1
        elif token.text in _CLOSING:
            depth -= 1
        elif depth == 0 and token.text == "||":
            return whole
        elif depth == 0 and token.text == "&&":
            cuts.append(index)
    edges = [-1, *cuts, len(body)]
    return [
        Span(kind=kind, start=body[left + 1].offset, end=body[right - 1].end)
        for left, right in pairwise(edges)
    ]
