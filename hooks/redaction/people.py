"""Where the people that git knows occur in a text: names, e-mail addresses, user and host names, home folders. Pure.

A word counts only as a whole word. A name, user or host that is also a common English word or a common word of code ("Will",
"test", "build"; `common_words.txt`: the words that stand in twelve or more files of Python's standard library, and given and
family names that are words) counts only where a person is meant: `by Will`, `Will <`, `@will`, `TODO(will)`, `/home/will`.
A name of several words that is not made of common words alone counts everywhere, and so does each uncommon word of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from git_hone.hooks.redaction.secrets import Span

LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ALNUM: Final = bytes(c if c in LETTERS or c >= 0x80 else 32 for c in range(256))
"""A translation that leaves letters, digits and what is not ASCII, and makes all else a blank."""
BEFORE: Final = rb"(?<![A-Za-z0-9_\x80-\xff])"
AFTER: Final = rb"(?![A-Za-z0-9_\x80-\xff])"
MEANT: Final = (rb"(?:signed-off|co-authored|reviewed|acked|tested|reported)-by|author|(?:written|maintained|reported|patch|contributed)[ ]by|"
                rb"thanks[ ]to|ask|assigned[ ]to|cc")  # fmt: skip
"""What stands before a person."""
SHARED: Final = re.compile(r"(?:no-?reply|git|hello|info|support|mail|contact|team|dev|admin|root)@", re.IGNORECASE)
"""Addresses whose first part names nobody."""

EMAIL: Final = re.compile(
    rb"(?<![A-Za-z0-9._%+/-])(?!git@|noreply@|no-reply@)[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\b"
)
HOME: Final = re.compile(
    rb"(?:(?<=/home/)|(?<=/Users/)|(?<=\\Users\\))(?!runner\b|user\b|username\b|USER\b|you\b|me\b|\.)[A-Za-z0-9._-]+"
)


class Identity(NamedTuple):
    """What git knows of somebody. kind: name | email | user | host | home."""

    kind: str
    value: str


class Rule(NamedTuple):
    """A pattern with a group `v`, and the placeholder's kind; one that ends with "?" holds in prose only."""

    pattern: re.Pattern[bytes]
    kind: str


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """Lower-case words that are no evidence of a person by themselves."""
    return frozenset(Path(__file__).with_name("common_words.txt").read_text("ascii").split())


def is_common(word: str) -> bool:
    """Whether a word, or each part of it, is common, or too short to say anything.

    >>> is_common("Will"), is_common("marisela"), is_common("build-host"), is_common("Li")
    (True, False, True, True)
    """
    pieces = [piece for piece in re.split(r"[\W\d_]+", word.lower()) if piece]
    return (len(word) < 4 and word.isascii()) or all(piece in common_words() for piece in pieces)


class Index:
    """Identities, filed by their words, so that a text costs what its own words cost, however many people git knows."""

    def __init__(self, identities: Iterable[Identity]) -> None:
        self._filed: dict[bytes, set[Identity]] = {}
        for identity in identities:
            for word in _words(identity):
                self._filed.setdefault(word, set()).add(identity)

    def find(self, raw: bytes) -> list[Span]:
        """Where they occur in UTF-8 text; spans may overlap."""
        if not self._filed:
            return []
        words = set(raw.lower().translate(ALNUM).split())
        near = {identity for word in self._filed.keys() & words for identity in self._filed[word]}
        return sorted(
            {Span(*m.span("v"), rule.kind) for each in near for rule in _rules(each) for m in rule.pattern.finditer(raw)}
        )


def _words(identity: Identity) -> set[bytes]:
    """Of these words, one is in each text that the identity is in, in lower case."""
    value = identity.value
    if identity.kind == "email":
        value = value.split("@")[0]
    elif identity.kind == "home":
        value = re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    words = _bytes(value).lower().translate(ALNUM).split()
    return {*words, b"".join(words)} - {b""}


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def anybody(raw: bytes) -> list[Span]:
    """Any e-mail address and any home folder, whosever they are."""
    found = [Span(*match.span(), "email") for match in EMAIL.finditer(raw)] if b"@" in raw else []
    if b"/home/" in raw or b"Users" in raw:
        found += [Span(*match.span(), "home") for match in HOME.finditer(raw)]
    return found


@lru_cache(maxsize=4096)
def _rules(identity: Identity) -> tuple[Rule, ...]:
    kind, value = identity.kind, identity.value.strip()
    if kind == "email":
        return tuple(_email(value))
    if kind == "name":
        return tuple(_name(value))
    if kind == "home":
        folder = value.rstrip("/\\")
        deep = folder.count("/") + folder.count("\\") > 1
        return (Rule(re.compile(_text(folder) + rb"(?![A-Za-z0-9_.-])"), "home"),) if deep else ()
    short = value.split(".")[0] if kind == "host" else value
    return tuple(rule for word in sorted({value, short}) for rule in _word(word, "host" if kind == "host" else "person"))


def _text(value: str) -> bytes:
    return b"(?P<v>" + re.escape(_bytes(value)) + b")"


def _whole(pattern: bytes) -> bytes:
    return BEFORE + b"(?P<v>" + pattern + b")" + AFTER


def _email(value: str) -> Iterator[Rule]:
    if "@" not in value:
        yield from _word(value, "person")
        return
    yield Rule(re.compile(rb"(?i)(?<![A-Za-z0-9._%+-])" + _text(value) + rb"(?![A-Za-z0-9-])"), "email")
    if not SHARED.match(value):
        yield from _word(value.split("@")[0].split("+")[-1], "person")


def _word(word: str, kind: str) -> Iterator[Rule]:
    """A single word: everywhere when it is uncommon, else where a person is meant."""
    if not is_common(word):
        forms = sorted({word, word.lower(), word.capitalize(), word.upper()})
        yield Rule(re.compile(_whole(b"|".join(re.escape(_bytes(form)) for form in forms))), kind)
    elif len(word) > 1 and kind == "person":
        text = _text(word)
        end = AFTER if word[:1].isupper() else rb"(?=[ \t]*(?:[<(,.;]|$))"
        yield Rule(re.compile(rb"(?i:/home/|/Users/|\\Users\\)" + text + AFTER), "home")
        yield Rule(re.compile(rb"(?:TODO|FIXME|XXX|NOTE|HACK)\((?i:" + text + rb")\)"), "person")
        yield Rule(re.compile(BEFORE + text + rb"(?=[ \t]{0,2}<[^<>\s@]{1,64}@[^<>\s]+>)"), "person")
        yield Rule(re.compile(rb"\b(?i:" + MEANT + rb"):?[ \t]{1,4}@?" + text + end, re.MULTILINE), "person")


def _name(value: str) -> Iterator[Rule]:
    words = [word for word in re.split(r"[\s,]+", value) if word]
    if "@" in value or not words:
        return
    if len(words) == 1:
        yield from _word(words[0], "person")
        return
    exact = [re.escape(_bytes(word)) for word in words]
    text = rb"(?:[ \t]+|\r?\n[ \t#*/]*)".join(exact)
    if all(is_common(word) for word in words):
        yield Rule(re.compile(_whole(text)), "person?")
        yield Rule(re.compile(rb"\b(?i:" + MEANT + rb"):?[ \t]{1,4}@?(?P<v>" + text + rb")" + AFTER), "person")
        yield Rule(re.compile(_whole(text) + rb"(?=[ \t]{0,2}<[^<>\s@]{1,64}@[^<>\s]+>)"), "person")
        return
    joined = rb"[._-]?".join(re.escape(_bytes(word.lower())) for word in words)
    yield Rule(re.compile(_whole(text + b"|" + exact[-1] + rb",[ \t]*" + exact[0] + b"|" + joined)), "person")
    for word in words:
        if not is_common(word):
            yield from _word(word, "person")
