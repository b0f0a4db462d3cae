"""GitHub's expressions, as far as our workflows use them. What is not known here is an error, never a guess.

docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<op>==|!=|&&|\|\||!|\(|\))|(?P<name>[A-Za-z_][\w.-]*))")
STATUS = ("success", "failure", "cancelled", "always")


class Unknown(Exception):
    """Something that GitHub may know, and this does not."""


def is_true(value: Any) -> bool:
    return value not in (None, "", False, 0)


def said(value: Any) -> str:
    """A value within a text."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def evaluate(source: str, contexts: Mapping[str, Any], status: Mapping[str, Callable[[], bool]]) -> Any:
    """The value of what stands between `${{` and `}}`."""
    tokens = _tokens(source)
    value = _or(tokens, contexts, status)
    if tokens:
        raise Unknown(f"{source}: what is {tokens[0][1]!r}?")
    return value


def condition(source: str | None, contexts: Mapping[str, Any], status: Mapping[str, Callable[[], bool]]) -> bool:
    """An `if`: where no status function stands in it, success() is meant too."""
    if source is None:
        return status["success"]()
    inner = source.strip()
    if inner.startswith("${{") and inner.endswith("}}"):
        inner = inner[3:-2]
    if "${{" in inner:
        raise Unknown(f"if: {source}: a condition with an expression in its middle is always true")
    if not any(re.search(rf"\b{name}\(", inner) for name in STATUS) and not status["success"]():
        return False
    return is_true(evaluate(inner, contexts, status))


def filled(value: Any, contexts: Mapping[str, Any], status: Mapping[str, Callable[[], bool]]) -> str:
    """A text with its expressions replaced by what they mean."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: said(evaluate(found[1], contexts, status)), said(value), flags=re.DOTALL)


def _tokens(source: str) -> list[tuple[str, str]]:
    tokens, at, whole = [], 0, source.strip()
    while at < len(whole):
        found = TOKEN.match(whole, at)
        if not found:
            raise Unknown(f"{source}: what is {whole[at:]!r}?")
        tokens.append((str(found.lastgroup), str(found[found.lastgroup or 0])))
        at = found.end()
    return tokens


def _or(tokens: list[tuple[str, str]], contexts: Mapping[str, Any], status: Mapping[str, Callable[[], bool]]) -> Any:
    value = _and(tokens, contexts, status)
    while tokens and tokens[0] == ("op", "||"):
        tokens.pop(0)
        other = _and(tokens, contexts, status)
        value = value if is_true(value) else other
    return value


def _and(tokens: list[tuple[str, str]], contexts: Mapping[str, Any], status: Mapping[str, Callable[[], bool]]) -> Any:
    value = _equal(tokens, contexts, status)
    while tokens and tokens[0] == ("op", "&&"):
        tokens.pop(0)
        other = _equal(tokens, contexts, status)
        value = other if is_true(value) else value
    return value


def _equal(tokens: list[tuple[str, str]], contexts: Mapping[str, Any], status: Mapping[str, Callable[[], bool]]) -> Any:
    value = _one(tokens, contexts, status)
    while tokens and tokens[0] in (("op", "=="), ("op", "!=")):
        same = tokens.pop(0)[1] == "=="
        other = _one(tokens, contexts, status)
        if not (isinstance(value, str | None) and isinstance(other, str | None)):
            raise Unknown(f"only texts are compared here, not {value!r} and {other!r}")
        value = ((value or "").lower() == (other or "").lower()) is same
    return value


def _one(tokens: list[tuple[str, str]], contexts: Mapping[str, Any], status: Mapping[str, Callable[[], bool]]) -> Any:
    kind, word = tokens.pop(0) if tokens else ("", "the end")
    if (kind, word) == ("op", "!"):
        return not is_true(_one(tokens, contexts, status))
    if (kind, word) == ("op", "("):
        value = _or(tokens, contexts, status)
        if not tokens or tokens.pop(0) != ("op", ")"):
            raise Unknown("a bracket is not closed")
        return value
    if kind == "text":
        return word[1:-1].replace("''", "'")
    if kind == "name" and word in STATUS and tokens[:2] == [("op", "("), ("op", ")")]:
        del tokens[:2]
        return status[word]()
    if kind == "name" and word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    if kind != "name" or tokens[:1] == [("op", "(")]:
        raise Unknown(f"what is {word!r}?")
    first, *steps = word.split(".")
    if first not in contexts:
        raise Unknown(f"{word}: no such context here")
    value = contexts[first]
    for step in steps:
        if not isinstance(value, Mapping):
            raise Unknown(f"{word}: {step} of what is no object")
        if step not in value and first not in ("vars", "secrets"):  # those are what a person has set, or not
            if word.startswith("steps.") and ".outputs." in word:
                return None
            raise Unknown(f"{word}: nothing says what that is")
        value = value.get(step)
    return value
