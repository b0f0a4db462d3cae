"""What is code, comment, string, template or regular expression: tokens of JavaScript and TypeScript, and for other languages
their comments and strings. A file that breaks a rule is read as well as it can be; nothing raises."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Token(NamedTuple):
    """kind: name, number, string, template, regex, comment, mark (one operator or bracket)."""

    kind: str
    text: str
    line: int


COMMON: Final = r"(?P<space>\s+)|(?P<comment>//[^\n]*|/\*[\s\S]*?(?:\*/|\Z))"
REST: Final = (
    r"|(?P<number>0[xXbBoO][\da-fA-F_]+n?|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?n?)|(?P<name>[A-Za-z_$@#\u00a0-\uffff][\w$\u00a0-\uffff]*)"
    r"|(?P<mark>=>|===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\.\.\.|[\s\S])"
)  # fmt: skip
QUOTES: Final = r"""|(?P<string>"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*')"""
SCRIPT: Final = re.compile(COMMON + QUOTES + r"|(?P<template>`)" + REST)
BRACES: Final = re.compile(  # Go, Rust, Java, Kotlin, C#, C, Swift, PHP: a lone ' is a lifetime or a label
    r'''[/"'`@r](?:(?<=/)(?P<comment>/[^\n]*|\*[\s\S]*?(?:\*/|\Z))|(?<=")(?:""[\s\S]*?"""|[^"\\]*(?:\\[\s\S][^"\\]*)*")'''
    r"""|(?<=\br)(?P<hashes>\#+)"[\s\S]*?"(?P=hashes)|(?<=@)"(?:""|[^"])*"|(?<=')(?:\\[^\n]{1,8}?|[^'\\\n])'|(?<=`)[^`]*`)"""
)
"""Comments and strings; what is neither is code."""
HASHES: Final = re.compile(  # Ruby, shell, Elixir
    r"""(?P<comment>(?<![$\w{\\])\#[^\n]*|^=begin[\s\S]*?^=end[^\n]*)|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'""", re.M
)
PYTHON: Final = re.compile(
    r'''["#\'](?:(?<=\#)(?P<comment>[^\n]*)|(?<=")(?:""[^"\\]*(?:(?:\\[\s\S]|"(?!""))[^"\\]*)*"""|(?!"")[^"\\\n]*(?:\\[\s\S][^"\\\n]*)*")'''
    r"""|(?<=')(?:''[^'\\]*(?:(?:\\[\s\S]|'(?!''))[^'\\]*)*'''|(?!'')[^'\\\n]*(?:\\[\s\S][^'\\\n]*)*')"""
    r"""|(?P<open>(?:(?<=")""|(?<=')\'\')[\s\S]*))"""
)
"""The same of Python. `open`: a string that does not end."""
LITERAL: Final = re.compile(r"/(?![*/\n])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[A-Za-z]*")
LONG: Final = ("space", "comment", "string", "template")
"""What may hold the end of a line."""
BEFORE_REGEX: Final = {
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "else",
    "do",
    "yield",
    "await",
    "instanceof",
}


def scan(text: str) -> list[Token]:
    """The tokens of a text, comments among them, spaces left out.

    >>> [token.kind for token in scan("a = /b'/ // c")]
    ['name', 'mark', 'regex', 'comment']
    >>> [token.text for token in scan("`a ${b(`}`)} // no` + 1")]
    ['`a ${b(`}`)} // no`', '+', '1']
    """
    found: list[Token] = []
    at, line, size = 0, 1, len(text)
    last = ""
    while at < size:
        match = SCRIPT.match(text, at)
        if match is None:
            break
        kind, end = match.lastgroup or "mark", match.end()
        if kind == "template":
            end = _template(text, at)
        elif kind == "mark" and match.group() == "/" and _regex_here(last):
            literal = LITERAL.match(text, at)
            if literal:
                kind, end = "regex", literal.end()
        if end <= at:
            break
        if kind != "space":
            word = text[at:end]
            found.append(Token(kind, word, line))
            if kind != "comment":
                last = word if kind in ("name", "mark") else "0"
        if kind in LONG:
            line += text.count("\n", at, end)
        at = end
    return found


def _regex_here(last: str) -> bool:
    """Whether a slash after `last` begins a regular expression and does not divide."""
    return last == "" or last in BEFORE_REGEX or not (last[-1].isalnum() or last[-1] in "_$)]}")


def _template(text: str, at: int) -> int:
    """The end of the template literal that begins at `at`."""
    k, size = at + 1, len(text)
    while k < size:
        c = text[k]
        if c == "\\":
            k += 2
        elif c == "`":
            return k + 1
        elif c == "$" and text[k + 1 : k + 2] == "{":
            k = _inserted(text, k + 2)
        else:
            k += 1
    return size


def _inserted(text: str, k: int) -> int:
    """The end of an inserted expression, behind its brace."""
    depth, size = 1, len(text)
    while k < size:
        c = text[k]
        if c == "`":
            k = _template(text, k)
            continue
        if c in "\"'":
            close = k + 1
            while close < size and text[close] not in (c, "\n"):
                close += 2 if text[close] == "\\" else 1
            k = close + 1
            continue
        depth += (c == "{") - (c == "}")
        k += 1
        if depth == 0:
            return k
    return size


def blank(text: str, rules: re.Pattern[str]) -> str:
    """The text with comments and the insides of strings blanked, line for line.

    >>> blank('a("b") // c', BRACES)
    'a("") '
    """

    def empty(match: re.Match[str]) -> str:
        said = match.group()
        lines = "\n" * said.count("\n")
        return lines if match.lastgroup == "comment" else said[0] + lines + said[-1]

    return rules.sub(empty, text)


def comments(text: str, rules: re.Pattern[str]) -> list[tuple[int, str]]:
    """(line, comment) of each comment.

    >>> comments('a("// no") // yes', BRACES)
    [(1, '// yes')]
    """
    found, line, at = [], 1, 0
    for match in rules.finditer(text):
        if match.lastgroup == "comment":
            line += text.count("\n", at, match.start())
            at = match.start()
            found.append((line, match.group()))
    return found
