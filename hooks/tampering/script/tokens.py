"""The tokens of a script, and ways to look into them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from git_hone.hooks.tampering.facts import Mark
from git_hone.hooks.tampering.lexer import Token, scan

CLOSES: Final = {"(": ")", "[": "]", "{": "}"}
MARGIN: Final = 64
"""Empty texts behind the last token, so that looking a few tokens ahead or behind needs no bounds."""


class Script:
    """The tokens of a text, its comments apart. `match`: opening bracket -> closing bracket, by position; `places`: text -> the
    positions where it stands."""

    def __init__(self, text: str) -> None:
        everything = scan(text)
        self.comments = [(token.line, token.text) for token in everything if token.kind == "comment"]
        self.tokens = [token for token in everything if token.kind != "comment"]
        self.texts = [token.text for token in self.tokens]
        self.match = _matches(self.tokens)
        self.places: dict[str, list[int]] = {}
        for k, one in enumerate(self.texts):
            self.places.setdefault(one, []).append(k)
        self.texts += [""] * MARGIN

    def text(self, start: int, end: int) -> str:
        """The tokens from `start` to before `end`, without spaces."""
        return "".join(self.texts[start:end])

    def is_(self, at: int, *texts: str) -> bool:
        """Whether one of these texts stands at a position."""
        return self.texts[at] in texts

    def where(self, start: int, end: int, *texts: str) -> list[int]:
        """The positions of these texts from `start` to before `end`, in order."""
        found: list[int] = []
        for text in texts:
            if places := self.places.get(text):
                found += places[bisect_left(places, start) : bisect_left(places, end)]
        return sorted(found) if len(texts) > 1 else found

    def arguments(self, opening: int) -> list[tuple[int, int]]:
        """(start, end) of each argument between brackets."""
        closing = self.match.get(opening, len(self.tokens))
        found, start, k = [], opening + 1, opening + 1
        while k < closing:
            if k in self.match:
                k = self.match[k]
            elif self.tokens[k].text == ",":
                found.append((start, k))
                start = k + 1
            k += 1
        return [*found, (start, closing)] if start < closing else found

    def top(self, start: int, end: int) -> Iterator[int]:
        """Positions that stand in no inner braces."""
        k = start
        while k < end:
            yield k
            k = self.match[k] + 1 if self.is_(k, "{") and k in self.match else k + 1

    def mark(self, kind: str, key: str, at: int, detail: str, owner: str = "") -> Mark:
        """A sign that stands at a position."""
        return Mark(kind, key[:160], self.tokens[at].line, detail[:160], owner)


def _matches(tokens: Sequence[Token]) -> dict[int, int]:
    """Opening bracket -> closing bracket, by position."""
    found: dict[int, int] = {}
    open_: list[int] = []
    for k, token in enumerate(tokens):
        if token.kind != "mark":
            continue
        if token.text in "([{" and token.text:
            open_.append(k)
        elif token.text in ")]}" and open_:
            while open_ and CLOSES[tokens[open_[-1]].text] != token.text:
                open_.pop()
            if open_:
                found[open_.pop()] = k
    return found
