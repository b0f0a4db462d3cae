"""Tests of Go, Rust and Java by their syntax tree, where the extra `git-hone[languages]` is installed; `others` goes by shape where
it is not, and for a file that does not parse."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MODULES: Final = {"go": "tree_sitter_go", "rs": "tree_sitter_rust", "java": "tree_sitter_java"}
"""Ending -> the module that holds its grammar."""
CONDITIONS: Final = {"if_statement", "expression_switch_statement", "type_switch_statement", "select_statement"}
GO_CHECK: Final = re.compile(r"(?:Error|Fatal|Fail)\w*")
GO_HELPERS: Final = {"assert", "require", "is"}
GO_SKIP: Final = re.compile(r"(\w+)\.Skip(?:f|Now)?")
GO_CONTEXT: Final = re.compile(r"(\w+)\s+(?:\*testing\.[TBF]|testing\.TB)\b")
RUST_TEST: Final = re.compile(r"(?:\w+::)*test\b|rstest\b|test_case\b|quickcheck\b")
RUST_SKIP: Final = re.compile(r"ignore\b|cfg\(any\(\)\)")
RUST_CHECK: Final = re.compile(r"(?:\w+::)*(?:(?:debug_)?assert\w*|panic)")
JAVA_TEST: Final = {"Test", "ParameterizedTest", "RepeatedTest", "TestFactory"}
JAVA_SKIP: Final = {"Disabled", "Ignore"}
JAVA_CHECK: Final = re.compile(r"assert\w+|verify|fail")


class Found(NamedTuple):
    """A test: its name, its line from 1, where it stands in bytes, and what gives (first byte, last) of each
    assertion: a look at every node, so only for a test that changed."""

    name: str
    line: int
    start: int
    end: int
    checks: Callable[[], list[tuple[int, int]]]


class Tree(NamedTuple):
    """The tests of a file, and (first byte, last, line) of what leaves tests out without a condition."""

    tests: list[Found]
    skips: list[tuple[int, int, int]]


@cache
def parser(end: str) -> Parser | None:
    """The parser of an ending; None without the extra."""
    try:
        tree_sitter = importlib.import_module("tree_sitter")
        grammar = importlib.import_module(MODULES[end])
    except (ImportError, KeyError):
        return None
    made: Parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    return made


def read(end: str, raw: bytes) -> Tree | None:
    """What stands in a file; None when it is to be read by shape.

    >>> read("txt", b"") is None
    True
    """
    reads = parser(end)
    root = reads.parse(raw).root_node if reads else None
    if root is None or root.has_error:
        return None
    tree = Tree([], [])
    {"go": _go, "rs": _rust, "java": _java}[end](root, tree)
    return tree


def _said(node: Node | None) -> str:
    return node.text.decode("utf-8", "replace") if node is not None and node.text else ""


def _under(node: Node, *kinds: str, closed: tuple[str, ...] = ()) -> Iterator[Node]:
    """The nodes of these kinds below a node, outer before inner; nothing that lies inside one of the `closed` kinds."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one is not node and one.type in kinds:
            yield one
        if one is node or one.type not in closed:
            waiting += reversed(one.named_children)


def _found(node: Node, first: Node, checks: Callable[[], list[tuple[int, int]]]) -> Found:
    """`first`: where it begins, its attributes among it."""
    name = node.child_by_field_name("name")
    return Found(_said(name), (name or node).start_point[0] + 1, first.start_byte, node.end_byte, checks)


def _skip(node: Node) -> tuple[int, int, int]:
    return node.start_byte, node.end_byte, node.start_point[0] + 1


def _go(root: Node, tree: Tree) -> None:
    contexts = {match[1] for match in GO_CONTEXT.finditer(_said(root))} | {"t", "b"}
    for node in root.named_children:
        name = _said(node.child_by_field_name("name"))
        if node.type not in ("function_declaration", "method_declaration") or not name.startswith("Test"):
            continue
        suite = re.match(r"\(\s*(\w+)", _said(node.child_by_field_name("receiver")))
        asserting = GO_HELPERS | ({suite[1]} if suite else set())
        tree.tests.append(_found(node, node, partial(_go_checks, node, contexts, asserting)))
    if b".Skip" not in (root.text or b""):
        return
    for call in _under(root, "call_expression"):
        match = GO_SKIP.fullmatch(_said(call.child_by_field_name("function")))
        if match and match[1] in contexts and not _conditional(call):
            tree.skips.append(_skip(call))


def _go_checks(node: Node, contexts: set[str], asserting: set[str]) -> list[tuple[int, int]]:
    checks = []
    for call in _under(node, "call_expression"):
        thing, _, called = _said(call.child_by_field_name("function")).rpartition(".")
        if (thing in contexts and GO_CHECK.fullmatch(called)) or (thing.split(".")[0] in asserting and called[:1].isupper()):
            checks.append((call.start_byte, call.end_byte))
    return checks


def _conditional(node: Node) -> bool:
    """Whether a statement stands under a condition of its function, other than `if true`."""
    above = node.parent
    while above is not None and above.type not in ("function_declaration", "method_declaration", "func_literal"):
        if above.type in CONDITIONS and _said(above.child_by_field_name("condition")) != "true":
            return True
        above = above.parent
    return False


def _rust(root: Node, tree: Tree) -> None:
    for node in _under(root, "function_item", closed=("block", "token_tree", "parameters")):
        attributes: list[Node] = []
        above = node.prev_named_sibling
        while above is not None and above.type in ("attribute_item", "line_comment", "block_comment"):
            if above.type == "attribute_item":
                attributes.insert(0, above)
            above = above.prev_named_sibling
        said = [(one, "".join(_said(one).split())[2:-1]) for one in attributes]
        if not any(RUST_TEST.match(text) for _, text in said):
            continue
        tree.tests.append(_found(node, attributes[0], partial(_rust_checks, node)))
        tree.skips.extend(_skip(one) for one, text in said if RUST_SKIP.match(text))


def _rust_checks(node: Node) -> list[tuple[int, int]]:
    macros = [one for one in _under(node, "macro_invocation") if RUST_CHECK.fullmatch(_said(one.child_by_field_name("macro")))]
    return [(one.start_byte, one.end_byte) for one in macros]


def _java(root: Node, tree: Tree) -> None:
    for node in _under(root, "method_declaration", "class_declaration", closed=("block",)):
        modifiers = next((child for child in node.named_children if child.type == "modifiers"), None)
        marks = [] if modifiers is None else list(_under(modifiers, "marker_annotation", "annotation"))
        names = {_said(mark.child_by_field_name("name")).rpartition(".")[2]: mark for mark in marks}
        is_test = node.type == "method_declaration" and not JAVA_TEST.isdisjoint(names)
        if is_test:
            tree.tests.append(_found(node, node, partial(_java_checks, node)))
        tree.skips.extend(_skip(mark) for name, mark in names.items() if name in JAVA_SKIP)


def _java_checks(node: Node) -> list[tuple[int, int]]:
    calls = [(call, call.child_by_field_name("name")) for call in _under(node, "method_invocation")]
    return [(name.start_byte, call.end_byte) for call, name in calls if name and JAVA_CHECK.fullmatch(_said(name))]
