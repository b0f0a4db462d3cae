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
MARKUP: Final = re.compile(rb"\xe2[\x80\x81][\x80-\xbf]|\xc2[\xa0\xab\xbb]|\xe3\x80[\x80-\xbf]")
"""Quotation marks, dashes and blanks that are not ASCII, as UTF-8: they end a word."""
AFTER: Final = rb"(?![A-Za-z0-9_]|(?!\xe2[\x80\x81]|\xc2[\xa0\xab\xbb]|\xe3\x80)[\x80-\xff])"


def _behind(word: bytes) -> bytes:
    """That `word`, which was just matched, does not go on to the left."""
    return (
        rb"(?<![A-Za-z0-9_]" + word + rb")(?:(?<![\x80-\xff]" + word + rb")|(?<=\xe2[\x80\x81][\x80-\xbf]" + word
        + rb")|(?<=\xc2[\xa0\xab\xbb]" + word + rb")|(?<=\xe3\x80[\x80-\xbf]" + word + b"))"
    )  # fmt: skip


SHARED: Final = re.compile(r"(?:no-?reply|git|hello|info|support|mail|contact|team|dev|admin|root)@", re.IGNORECASE)
"""Addresses whose first part names nobody."""

EMAIL: Final = re.compile(
    rb"(?<![A-Za-z0-9._%+/-])(?!git@|noreply@|no-reply@)[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\b"
)
HOME: Final = re.compile(
    rb"(?:(?<=/home/)|(?<=/Users/)|(?<=\\Users\\))(?!runner\b|user\b|username\b|USER\b|you\b|me\b|\.)[A-Za-z0-9._-]+"
)


RESERVED: Final = re.compile(rb"(?:[@.]example\.(?:com|org|net|edu)|\.(?:example|test|invalid|localhost|local))$", re.IGNORECASE)
"""Domains that nobody has (RFC 2606, RFC 6761)."""


class Identity(NamedTuple):
    """What git knows of somebody. kind: name | email | user | host | home."""

    kind: str
    value: str


class Rule(NamedTuple):
    """A pattern with a group `v`, which begins with a literal, so that it is searched for fast.

    kind: the placeholder's; one that ends with "?" holds in prose only. lower: the pattern is for the text in lower case.
    at: it holds only right after a mark of this kind (home | todo | meant), or, for `address`, right before one.
    """

    pattern: re.Pattern[bytes]
    kind: str
    lower: bool = False
    at: str | None = None


MARKS: Final[dict[str, tuple[tuple[bytes, ...], bytes]]] = {
    # kind of place: (what must be in the text, in lower case; the mark itself, up to the person)
    "home": ((b"/home/", b"users/", b"users\\"), rb"(?:/home/|/users/|\\users\\{1,2})"),
    "todo": ((b"todo(", b"fixme(", b"xxx(", b"note(", b"hack("), rb"(?:todo|fixme|xxx|note|hack)\("),
    "meant": ((b"-by", b" by ", b"author", b"thanks to ", b"ask ", b"assigned to ", b"cc: "),
              rb"(?<![a-z0-9_])(?:(?:signed-off|co-authored|reviewed|acked|tested|reported|suggested)-by|authors?|(?:written|maintained|reported"
              rb"|patch|contributed|implemented|created|designed|added|fixed)[ ]by|thanks[ ]to|ask|assigned[ ]to|cc):?[ \t]{1,4}@?"),
    "address": ((b"@",), rb"[ \t]{0,2}<[^<>\s@]{1,64}@[^<>\s]{1,128}>"),
}  # fmt: skip
"""Where a person is meant, so that a common word is a name."""
_MARK: Final = {kind: re.compile(mark) for kind, (_, mark) in MARKS.items()}


def _places(lower: bytes, kind: str) -> set[int]:
    """Offsets where a person may be named: behind a mark, and for addresses before it."""
    found = set()
    for literal in MARKS[kind][0]:
        at = lower.find(literal)
        while at >= 0:
            if kind == "address":
                start = lower.rfind(b"<", max(0, at - 65), at)
                while start > 0 and lower[start - 1] in b" \t":
                    start -= 1
                if start >= 0 and _MARK[kind].match(lower, start):
                    found.add(start)
            else:
                for begin in range(max(0, at - 16), at + 1):
                    if match := _MARK[kind].match(lower, begin):
                        found.add(match.end())
                        break
            at = lower.find(literal, at + len(literal))
    return found


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
        lower = raw.lower()
        words = set((lower if lower.isascii() else MARKUP.sub(b" ", lower)).translate(ALNUM).split())
        near = {identity for word in self._filed.keys() & words for identity in self._filed[word]}
        places: dict[str, set[int]] = {}
        found: set[Span] = set()
        for rule in (rule for identity in near for rule in _rules(identity)):
            if rule.at is None:
                found |= {Span(*match.span("v"), rule.kind) for match in rule.pattern.finditer(lower if rule.lower else raw)}
                continue
            if rule.at not in places:
                places[rule.at] = _places(lower, rule.at)
            for at in places[rule.at]:
                match = rule.pattern.search(raw, max(0, at - 80), at) if rule.at == "address" else rule.pattern.match(raw, at)
                if match:
                    found.add(Span(*match.span("v"), rule.kind))
        return sorted(found)


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
        return (Rule(re.compile(b"(?P<v>" + re.escape(_bytes(folder)) + rb")(?![A-Za-z0-9_.-])"), "home"),) if deep else ()
    short = value.split(".")[0] if kind == "host" else value
    return tuple(rule for word in sorted({value, short}) for rule in _word(word, "host" if kind == "host" else "person"))


def _whole(first: bytes, rest: bytes = b"") -> bytes:
    """`first` as a whole word, and then `rest`."""
    return b"(?P<v>" + re.escape(first) + _behind(re.escape(first)) + rest + b")" + AFTER


def _email(value: str) -> Iterator[Rule]:
    if "@" not in value:
        yield from _word(value, "person")
        return
    text = re.escape(_bytes(value).lower())
    yield Rule(re.compile(b"(?P<v>" + text + b"(?<![a-z0-9._%+-]" + text + b"))(?![a-z0-9-])"), "email", lower=True)
    if not SHARED.match(value):
        yield from _word(value.split("@")[0].split("+")[-1], "person")


def _word(word: str, kind: str) -> Iterator[Rule]:
    """A single word: everywhere when it is uncommon, else where a person is meant."""
    if not is_common(word):
        for form in sorted({word, word.lower(), word.capitalize(), word.upper()}):
            yield Rule(re.compile(_whole(_bytes(form))), kind)
    elif len(word) > 1 and kind == "person":
        yield from _where_meant(re.escape(_bytes(word)), AFTER if word[:1].isupper() else rb"(?=[ \t]*(?:[<(,.;]|$))")


def _where_meant(text: bytes, end: bytes) -> Iterator[Rule]:
    yield Rule(re.compile(b"(?P<v>" + text + b")" + AFTER), "home", at="home")
    yield Rule(re.compile(b"(?i:(?P<v>" + text + rb"))\)"), "person", at="todo")
    yield Rule(re.compile(b"(?P<v>" + text + b")" + end, re.MULTILINE), "person", at="meant")
    yield Rule(re.compile(rb"(?<![A-Za-z0-9_\x80-\xff])(?P<v>" + text + b")$"), "person", at="address")


def _name(value: str) -> Iterator[Rule]:
    words = [word for word in re.split(r"[\s,]+", value) if word]
    if "@" in value or not words:
        return
    if len(words) == 1:
        yield from _word(words[0], "person")
        return
    exact = [_bytes(word) for word in words]
    between = rb"(?:[ \t]+|\r?\n[ \t#*/]*)"
    rest = b"".join(between + re.escape(word) for word in exact[1:])
    if all(is_common(word) for word in words):
        yield Rule(re.compile(_whole(exact[0], rest)), "person?")
        yield from _where_meant(re.escape(exact[0]) + rest, AFTER)
        return
    yield Rule(re.compile(_whole(exact[0], rest)), "person")
    yield Rule(re.compile(_whole(exact[-1] + b",", rb"[ \t]*" + re.escape(exact[0]))), "person")
    small = [_bytes(word.lower()) for word in words]
    yield Rule(re.compile(_whole(small[0], b"".join(rb"[._-]?" + re.escape(word) for word in small[1:]))), "person")
    for word in words:
        if not is_common(word):
            yield from _word(word, "person")
