"""Both sides of a Python file: what is read, and in which order."""

from __future__ import annotations

import ast

from git_hone.hooks.tampering import lexer, shared
from git_hone.hooks.tampering.facts import Facts, Mark
from git_hone.hooks.tampering.python.definitions import Definitions
from git_hone.hooks.tampering.python.harness import edits, module_edits
from git_hone.hooks.tampering.python.shortcuts import shortcuts
from git_hone.hooks.tampering.python.side import Side, is_test_file
from git_hone.hooks.tampering.python.skips import module_skip
from git_hone.hooks.tampering.suppressions import PYTHON
from git_hone.hooks.tampering.suppressions import marks as suppressions
from git_hone.learner.syntax import tree_of


def comments(text: str) -> list[tuple[int, str]]:
    """(line, comment) of each comment.

    >>> comments("x = '# no'  # yes")
    [(1, '# yes')]
    """
    return lexer.comments(text, lexer.PYTHON)


def read(old: str, new: str, before: bytes, after: bytes, silenced: bool) -> tuple[Facts, Facts] | None:
    """The facts of both sides of a file. `silenced`: read the comments too. Statements that stand in both at the same
    place are passed over. None when the new side does not parse; an old side that does not parse is read as empty."""
    as_test = is_test_file(old) or is_test_file(new)
    parts = shared.without(before, after, as_test) if is_test_file(old) == is_test_file(new) else None
    sides = [tree_of(raw) for raw in parts or ()]
    if not parts or None in sides:
        sides = [tree_of(before), tree_of(after)]
    if sides[1] is None:
        return None
    trees = [tree or ast.Module([], []) for tree in sides]
    both = [Side(path, raw, as_test) for path, raw in ((old, before), (new, after))]
    texts = [set(side.segments(tree.body, "")) for side, tree in zip(both, trees, strict=True)]
    skips = [module_skip(tree) if as_test else ("", 0) for tree in trees]
    whole = any(why for why, _ in skips) or is_test_file(old) != is_test_file(new)  # it concerns every test
    for side, other in zip(both, reversed(texts), strict=True):
        side.known = set() if whole else other
    left, right = (_facts(side, tree, skip, silenced) for side, tree, skip in zip(both, trees, skips, strict=True))
    return left, right


def _facts(side: Side, tree: ast.Module, skip: tuple[str, int], silenced: bool) -> Facts:
    """What the statements of `tree` say that the other side does not have."""
    facts = Facts(side.path)
    if silenced:
        facts.marks += suppressions(comments(side.text), PYTHON)
    body = side.changed(tree.body, "")
    definitions = Definitions(side, facts)
    definitions.hidden(tree.body, "")
    definitions.collect(body, "", skip, side.is_test)
    for top in body:
        for owner, node in side.statements(top):
            facts.marks += shortcuts(side, owner, node)
            facts.marks += edits(side, node)
    facts.marks += module_edits(side, body)
    if side.name in ("sitecustomize.py", "usercustomize.py") and tree.body:
        facts.marks.append(Mark("harness_edited", side.name, 1, f"{side.name} runs before every Python program"))
    return facts
